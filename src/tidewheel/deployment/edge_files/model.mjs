// A model with its signature: checks rows as Tidewheel's server does, asks ONNX Runtime, gives plain values.

const KINDS = {
  float: (value) => typeof value === 'number' && Number.isFinite(value),
  integer: (value) => typeof value === 'number' && Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string' && value.isWellFormed?.() !== false,
};

/** Rows that do not fit the signature, or that the model refuses. */
export class MisfitError extends Error {}

/**
 * Loads a model.
 * @param ort ONNX Runtime: onnxruntime-web, or another package with its interface.
 * @param {Uint8Array} data the bytes of model.onnx.
 * @param signature the content of signature.json.
 */
export async function loadModel(ort, data, signature) {
  const session = await ort.InferenceSession.create(data, { executionProviders: ['wasm'] });
  return {
    signature,
    /**
     * Answers by output name.
     * @param columns for each feature a list with one value per row, null for a missing one.
     */
    async predict(columns) {
      const answers = await run(session, bind(ort, signature, columns));
      return Object.fromEntries(signature.outputs.map((one) => [one.name, plain(answers[one.name])]));
    },
  };
}

async function run(session, feeds) {
  try {
    return await session.run(feeds);
  } catch (error) {
    throw new MisfitError(`the model refuses these rows: ${error.message ?? error}`);
  }
}

function bind(ort, signature, columns) {
  const names = signature.inputs.map((field) => field.name);
  const foreign = Object.keys(columns).find((name) => !names.includes(name));
  if (foreign !== undefined) throw new MisfitError(`unexpected field '${foreign}'`);
  const missing = names.find((name) => !Array.isArray(columns[name]));
  if (missing !== undefined) throw new MisfitError(`field '${missing}' is missing or no list`);
  const count = columns[names[0]].length;
  if (count === 0) throw new MisfitError('there are no rows');
  const uneven = names.find((name) => columns[name].length !== count);
  if (uneven !== undefined) throw new MisfitError(`field '${uneven}' has another number of rows`);
  return Object.fromEntries(signature.inputs.map((field) => [field.name, tensor(ort, field, columns[field.name])]));
}

function tensor(ort, field, values) {
  values.forEach((value, row) => check(field, value ?? null, row));
  const shape = [values.length, 1];
  if (field.kind === 'string') return new ort.Tensor('string', values.map((value) => value ?? ''), shape);
  return new ort.Tensor('float64', Float64Array.from(values, (value) => (value == null ? NaN : Number(value))), shape);
}

function check(field, value, row) {
  if (value === null ? field.allows_null : KINDS[field.kind](value)) return;
  const told = value === null ? 'null' : JSON.stringify(value);
  throw new MisfitError(`field '${field.name}' takes ${field.kind}, but row ${row} has ${told}`);
}

function plain(tensor) {
  const flat = Array.from(tensor.data, (value) => (typeof value === 'bigint' ? Number(value) : value));
  if (tensor.dims.length < 2) return flat;
  const width = tensor.dims[1];
  return Array.from({ length: tensor.dims[0] }, (_, row) => flat.slice(row * width, (row + 1) * width));
}

/** The largest difference of any number, absolute up to 1 and relative beyond; infinity when a label differs. */
export function largestDifference(expected, answers) {
  let worst = 0;
  for (const [name, values] of Object.entries(expected)) {
    const given = answers[name].flat();
    values.flat().forEach((value, place) => {
      const isNumber = typeof value === 'number' && name !== 'label';
      const gap = isNumber ? Math.abs(value - given[place]) / Math.max(1, Math.abs(value)) : 0;
      worst = Math.max(worst, isNumber || value === given[place] ? gap : Infinity);
    });
  }
  return worst;
}

// node check.mjs            asks the example rows again, and fails when an answer differs
// node check.mjs ROWS.json  prints the answers to rows given as columns: {"distance": [1.5], "carrier": ["UA"]}
//                           or as rows: [{"distance": 1.5, "carrier": "UA"}]

import { readFile } from 'node:fs/promises';
import * as ort from './ort/ort.wasm.min.mjs';
import { MisfitError, largestDifference, loadModel } from './model.mjs';

const here = (name) => new URL(name, import.meta.url);
const json = async (place) => JSON.parse(await readFile(place, 'utf8'));

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = await readFile(here('ort/ort-wasm-simd-threaded.wasm'));
ort.env.logLevel = 'error';
const model = await loadModel(ort, await readFile(here('model.onnx')), await json(here('signature.json')));

/** Rows as columns; what a row lacks is missing. */
function columns(rows) {
  if (!Array.isArray(rows)) return rows;
  const names = new Set([...model.signature.inputs.map((field) => field.name), ...rows.flatMap(Object.keys)]);
  return Object.fromEntries([...names].map((name) => [name, rows.map((row) => row[name] ?? null)]));
}

if (process.argv[2]) {
  try {
    console.log(JSON.stringify(await model.predict(columns(await json(process.argv[2])))));
  } catch (error) {
    if (!(error instanceof MisfitError || error instanceof SyntaxError || error.code === 'ENOENT')) throw error;
    console.error(`${process.argv[2]}: ${error.message}`);
    process.exitCode = 1;
  }
} else {
  const examples = await json(here('examples.json'));
  const difference = largestDifference(examples.outputs, await model.predict(examples.inputs));
  const isSame = difference <= examples.tolerance;
  console.log(isSame ? 'the examples have the expected answers' : `the answers differ by ${difference}`);
  process.exitCode = isSame ? 0 : 1;
}

// The page: example rows as a form, the answers beside those that are expected. Nothing leaves the machine.

import * as ort from './ort/ort.wasm.min.mjs';
import { largestDifference, loadModel } from './model.mjs';

const element = (name, properties = {}, children = []) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const json = async (name) => (await fetch(name)).json();
const shown = (value) => (typeof value === 'number' ? Number(value.toPrecision(6)) : JSON.stringify(value));

/** An answer with its name; a probability says of which class it is: of two classes it is that of the second. */
function told(signature, name, value) {
  if (name !== 'probability') return [name, shown(value)];
  if (!Array.isArray(value)) return [`probability of ${shown(signature.classes[1])}`, shown(value)];
  return [name, value.map((one, at) => `${shown(signature.classes[at])} ${shown(one)}`).join('  ')];
}

function field(one, value) {
  const input = element('input', { name: one.name, value: value ?? '', placeholder: one.allows_null ? 'missing' : '' });
  if (one.domain?.length) input.setAttribute('list', `list-${one.name}`);
  const known = (one.domain ?? []).map((text) => element('option', { value: text }));
  const options = known.length ? [element('datalist', { id: `list-${one.name}` }, known)] : [];
  return element('label', {}, [element('span', { textContent: one.name }), input, ...options]);
}

function read(one, text) {
  if (text === '' && one.allows_null) return null;
  if (one.kind === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return one.kind === 'string' || text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
}

async function start() {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL('ort/', import.meta.url).href;
  const [signature, examples] = await Promise.all([json('signature.json'), json('examples.json')]);
  const model = await loadModel(ort, new Uint8Array(await (await fetch('model.onnx')).arrayBuffer()), signature);
  window.tidewheel = model;

  const difference = largestDifference(examples.outputs, await model.predict(examples.inputs));
  const isSame = difference <= examples.tolerance;
  const status = document.querySelector('#status');
  status.textContent = isSame ? 'The example rows have the expected answers.' : `The answers differ by ${difference}.`;
  status.className = isSame ? 'good' : 'bad';

  const form = document.querySelector('form');
  const fill = (row) =>
    form.replaceChildren(...signature.inputs.map((one) => field(one, examples.inputs[one.name][row])));
  const answer = async () => {
    const output = document.querySelector('output');
    try {
      const columns = signature.inputs.map((one) => [one.name, [read(one, form.elements.namedItem(one.name).value)]]);
      const given = await model.predict(Object.fromEntries(columns));
      output.className = '';
      output.replaceChildren(
        ...Object.entries(given)
          .map(([name, [value]]) => told(signature, name, value))
          .map(([name, text]) => element('div', {}, [element('b', { textContent: name }), ` ${text}`])),
      );
    } catch (error) {
      output.className = 'bad';
      output.textContent = error.message;
    }
  };
  const rows = examples.inputs[signature.inputs[0].name].map((_, row) =>
    element('button', { type: 'button', textContent: `row ${row + 1}`, onclick: () => (fill(row), answer()) }));
  document.querySelector('nav').append('Examples: ', ...rows);
  form.oninput = answer;
  fill(0);
  await answer();
}

start().catch((error) => {
  const status = document.querySelector('#status');
  status.textContent = `The model cannot be loaded: ${error.message}`;
  status.className = 'bad';
});

// Questions to `weft trace` and its answers as a tree.

import { ask, find, html } from './dom.js';

const NAMES = ['from', 'to', 'namespace', 'port', 'protocol', 'method'];
let asked = 0;

const tone = (verdict) => (verdict === 'works' ? 'good' : verdict === 'unknown' ? 'quiet' : 'bad');
const marks = { good: '✓ ', bad: '✕ ', quiet: '? ' };

function objectOf(by) {
  const name = [by.namespace, by.name].filter(Boolean).join('/');
  const place = by.file ? ` (${by.file}:${by.line})` : '';
  const from = by.origin ? `, of ${by.origin}` : '';
  return `${by.kind} ${name}${by.part ? ` ${by.part}` : ''}${place}${from}`;
}

function hop(value) {
  const parts = [html('span', { class: 'step' }, value.step), value.text];
  const below = value.hops ?? [];
  // What ends further down is told there.
  if (value.verdict !== 'works' && !below.some((part) => part.verdict !== 'works')) {
    parts.push(html('span', { class: `fix ${tone(value.verdict)}` }, `${marks[tone(value.verdict)]}${value.verdict}: ${value.reason ?? ''}`));
    if (value.fix) parts.push(html('span', { class: 'fix' }, `To mend it: ${value.fix}.`));
  }
  if (value.by?.length) parts.push(html('span', { class: 'by' }, `decided by ${value.by.map(objectOf).join(', ')}`));
  for (const note of value.notes ?? []) parts.push(html('span', { class: 'note' }, note));
  if (below.length) parts.push(html('ul', { class: 'way' }, ...below.map(hop)));
  return html('li', {}, ...parts);
}

function notesOf(notes) {
  const list = html('ul', {}, ...notes.map((note) => html('li', {}, note)));
  const count = notes.length === 1 ? 'A note' : `${notes.length} notes`;
  return html('details', { class: 'answer-notes quiet' }, html('summary', {}, count), list);
}

function show(answer) {
  const kind = tone(answer.verdict);
  const status = answer.status ? ` (${answer.status})` : '';
  const parts = [
    html('p', {}, `${answer.from} → ${answer.to}`),
    html('p', { class: `verdict ${kind}`, 'data-verdict': answer.verdict }, `${marks[kind]}${answer.verdict}${status}`),
  ];
  if (answer.reason) parts.push(html('p', {}, answer.reason));
  if (answer.fix) parts.push(html('p', {}, `To mend it: ${answer.fix}.`));
  parts.push(html('ul', { class: 'way' }, ...answer.hops.map(hop)));
  if (answer.notes?.length) parts.push(notesOf(answer.notes));
  find('answer').replaceChildren(...parts);
}

function headersOf(text) {
  return text.split('\n').filter((row) => row.trim()).map((row) => {
    const end = row.search(/[:=]/);
    if (end <= 0) throw new Error(`Headers: "${row}" is not NAME: VALUE`);
    return [row.slice(0, end).trim(), row.slice(end + 1).trim()];
  });
}

function questionOf(form) {
  const out = { headers: headersOf(form.headers.value), manifests: form.manifests.value };
  for (const name of NAMES) {
    const value = form[name].value.trim();
    if (value) out[name] = name === 'port' ? Number(value) : value;
  }
  return out;
}

async function submit(focus) {
  const mine = ++asked;
  const box = find('answer');
  box.setAttribute('aria-busy', 'true');
  try {
    const question = questionOf(find('ask').elements);
    const answer = await ask('/api/trace', {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(question),
    });
    if (mine === asked) show(answer);
  } catch (error) {
    if (mine === asked) box.replaceChildren(html('p', { class: 'bad', 'data-verdict': 'wrong' }, error.message));
  }
  if (mine !== asked) return;
  box.removeAttribute('aria-busy');
  if (focus) box.focus();
}

// Fills the fields with an edge's question and asks it.
export function trace(question) {
  const form = find('ask').elements;
  for (const name of NAMES) form[name].value = question[name] ?? (name === 'protocol' ? 'tcp' : '');
  form.headers.value = (question.headers ?? []).map((pair) => pair.join(': ')).join('\n');
  submit(true);
}

// What may be asked for, by the map.
export function offer(map) {
  const options = (values) => values.map((value) => html('option', { value }));
  const workloads = map.nodes.filter((node) => node.pods > 0).map((node) => node.id);
  find('sources').replaceChildren(...options(['outside', ...workloads]));
  find('targets').replaceChildren(...options(map.nodes.filter((node) => /^(service|gateway)\//.test(node.id)).map((node) => node.id)));
}

export function start() {
  find('ask').addEventListener('submit', (event) => {
    event.preventDefault();
    submit(false);
  });
}

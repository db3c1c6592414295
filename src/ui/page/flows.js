// The table of connections: server-sent events, the newest on top, a bounded number of them.

import { find, html } from './dom.js';

const MOST = 500;
let source = null;
let waiting = [];
let paused = false;
let shown = 0;

const end = (side) => {
  const host = side.pod || (side.address.includes(':') ? `[${side.address}]` : side.address);
  return side.port ? `${host}:${side.port}` : host;
};
const milliseconds = (flow) => `${(flow.took_us / 1000).toFixed(1)} ms`;

function why(flow) {
  if (flow.event === 'connected') return `in ${milliseconds(flow)}`;
  if (flow.event === 'failed') return `${flow.error || 'given up'} after ${milliseconds(flow)}`;
  if (flow.event === 'closed') return `after ${milliseconds(flow)}, ${flow.sent} bytes sent, ${flow.received} received`;
  return flow.why ?? '';
}

const marks = { FORWARDED: '✓ ', DROPPED: '✕ ', ERROR: '✕ ', AUDIT: '! ' };
const tones = { FORWARDED: 'good', DROPPED: 'bad', ERROR: 'bad' };

function row(flow) {
  const service = flow.service ? `${flow.service.name || flow.service.address}:${flow.service.port}` : '';
  return html('tr', { 'data-verdict': flow.verdict },
    html('td', { title: `${flow.time} on ${flow.node}` }, flow.time.slice(11, 23)),
    html('td', {}, end(flow.from)), html('td', {}, `${end(flow.to)} ${flow.protocol}`), html('td', {}, service),
    html('td', {}, flow.event), html('td', { class: tones[flow.verdict] }, (marks[flow.verdict] ?? '') + flow.verdict),
    html('td', {}, why(flow)));
}

function tell() {
  find('flows-state').textContent = paused ? `Paused; ${waiting.length} are waiting.` : shown === 0 ? 'None yet.' : '';
}

// What has come since the last picture is drawn at once.
function flush() {
  if (paused || waiting.length === 0) return;
  const body = find('flows');
  const news = waiting.splice(0).slice(-MOST).reverse().map(row);
  body.prepend(...news);
  while (body.rows.length > MOST) body.deleteRow(-1);
  shown = body.rows.length;
  tell();
}

function take(event) {
  waiting.push(JSON.parse(event.data));
  if (waiting.length > MOST) waiting.shift();
  if (paused) tell();
  else if (waiting.length === 1) requestAnimationFrame(flush);
}

function query() {
  const form = find('filters').elements;
  const out = new URLSearchParams();
  for (const name of ['pod', 'to-service', 'port', 'verdict', 'type']) {
    for (const value of form[name].value.split(/[\s,]+/)) if (value) out.append(name, value);
  }
  for (const pair of form.more.value.split(/\s+/)) {
    const at = pair.indexOf('=');
    if (at > 0) out.append(pair.slice(0, at).replace(/^--/, ''), pair.slice(at + 1));
  }
  if (form.not.checked) out.append('not', '1');
  return out.toString();
}

function open() {
  source?.close();
  waiting = [];
  shown = 0;
  find('flows').replaceChildren();
  tell();
  source = new EventSource(`/api/flows?${query()}`);
  // The first events of a stream are those from before: one that was lost begins anew.
  source.onopen = () => {
    waiting = [];
    shown = 0;
    find('flows').replaceChildren();
    tell();
  };
  source.onmessage = take;
  source.onerror = () => {
    find('flows-state').textContent = source.readyState === EventSource.CLOSED
      ? 'No connections to show: is a filter written wrongly?' : 'weft ui does not answer; trying again.';
  };
}

export function start() {
  const form = find('filters');
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('change', open);
  find('pause').addEventListener('click', (event) => {
    paused = !paused;
    event.currentTarget.setAttribute('aria-pressed', String(paused));
    tell();
    flush();
  });
  open();
}

// Why there are none at all.
export function without(problem) {
  source?.close();
  find('flows-state').textContent = `There are no live connections to see: ${problem}.`;
}

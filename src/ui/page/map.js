// The service map: nodes and edges as /api/map tells them. The edges are one stop of the Tab key; arrow keys go among them.

import { find, html, svg } from './dom.js';
import { HEIGHT, WIDTH, endOf, layout, line, markOf, pathOf } from './layout.js';

const HEADINGS = ['Clients', 'Gateways', 'Services', 'Workloads'];
const WORDS = { working: 'seen working', failing: 'denied or failing', unused: 'declared, not seen used' };
const NAME_LETTERS = 20;
const ABOUT_LETTERS = 26;

let picture = null;
let drawn = '';
let chosen = '';
let current = '';
let choose = () => {};

const keyOf = (edge) => `${edge.from} ${edge.to}`;
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const nameOf = (node) => (node.namespace ? `${node.kind} ${node.namespace}/${node.name}` : node.name);

function about(node) {
  if (node.problem) return node.problem;
  const words = [];
  if (node.kind === 'Outside') words.push(node.id === 'outside' ? 'who comes from outside' : 'other addresses');
  else if (node.kind === 'Pod') words.push(node.ready ? 'Pod' : 'Pod, not ready');
  else words.push(node.pods > 0 ? `${node.kind} ${node.ready}/${node.pods}` : node.kind);
  if (node.isolated.length) words.push('guarded');
  return words.join(' · ');
}

function describe(edge, nodes) {
  const parts = [`${nameOf(nodes.get(edge.from))} to ${nameOf(nodes.get(edge.to))}: ${WORDS[edge.state]}`];
  if (edge.passed) parts.push(`${edge.passed} worked`);
  if (edge.failed) parts.push(`${edge.failed} failed`);
  if (edge.why && edge.state === 'failing') parts.push(edge.why);
  return parts.join(', ');
}

function drawNode(node, place) {
  const { x, y } = place;
  return svg('g', { class: node.problem ? 'node problem' : 'node', 'data-id': node.id },
    svg('title', {}, [`${nameOf(node)}: ${about(node)}`, ...node.isolated.map((side) => `${side} is denied unless a policy allows it`)].join('; ')),
    svg('rect', { x, y, width: WIDTH, height: HEIGHT, rx: 5 }),
    svg('text', { class: 'name', x: x + 10, y: y + 17 }, short(node.name, NAME_LETTERS)),
    svg('text', { class: 'what', x: x + 10, y: y + 32 }, short(about(node), ABOUT_LETTERS)));
}

function sign(state, [x, y]) {
  if (state === 'unused') return [];
  const shape = state === 'working' ? `M${x - 3.5} ${y}l2.5 2.5 4.5-5` : `M${x - 3} ${y - 3}l6 6M${x + 3} ${y - 3}l-6 6`;
  return [svg('circle', { class: `mark ${state}`, cx: x, cy: y, r: 7 }), svg('path', { class: 'sign', d: shape })];
}

function drawEdge(edge, nodes, { places, lanes }) {
  const way = line(places.get(edge.from), places.get(edge.to), lanes.get(edge));
  const d = pathOf(way);
  const [x, y] = endOf(way);
  const back = -7 * way.towards;
  const words = describe(edge, nodes);
  const link = svg('g', { class: 'link', role: 'button', tabindex: '-1', 'aria-label': words, 'data-key': keyOf(edge), 'data-state': edge.state },
    svg('title', {}, words),
    svg('path', { class: 'wide', d }),
    svg('path', { class: `edge ${edge.state}`, d }),
    svg('path', { class: `head ${edge.state}`, d: `M${x} ${y}l${back} -4v8z` }),
    ...sign(edge.state, markOf(way)));
  link.addEventListener('click', () => pick(edge, link));
  link.addEventListener('focus', () => { current = keyOf(edge); settleTab(); });
  return link;
}

function pick(edge, link) {
  chosen = keyOf(edge);
  for (const other of links()) other.classList.toggle('chosen', other === link);
  choose(edge);
}

const links = () => [...find('map').querySelectorAll('.link')];

// One of the edges is what Tab gets to: the one that was last, or the first.
function settleTab() {
  const all = links();
  const stop = all.find((link) => link.dataset.key === current) ?? all[0];
  for (const link of all) link.setAttribute('tabindex', link === stop ? '0' : '-1');
}

function move(event) {
  const link = event.target.closest?.('.link');
  if (!link) return;
  const all = links();
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  let next;
  if (event.key in steps) next = all[(all.indexOf(link) + steps[event.key] + all.length) % all.length];
  else if (event.key === 'Home') next = all[0];
  else if (event.key === 'End') next = all[all.length - 1];
  else if (event.key === 'Enter' || event.key === ' ') link.dispatchEvent(new MouseEvent('click'));
  else return;
  event.preventDefault();
  next?.focus();
}

// A namespace with those that it talks to; without one all but the cluster's own.
function visible(map, namespace) {
  const own = (node) => (namespace === '' ? node.namespace !== 'kube-system' : namespace === '*' || node.namespace === namespace);
  const of = new Map(map.nodes.map((node) => [node.id, node]));
  const shown = new Set(map.nodes.filter((node) => own(node) && node.namespace).map((node) => node.id));
  const near = new Set(shown);
  for (const { from, to } of map.edges) {
    const joined = (id) => namespace !== '' || of.get(id).namespace !== 'kube-system';
    if (shown.has(from) && joined(to)) near.add(to);
    if (shown.has(to) && joined(from)) near.add(from);
  }
  // All Ingresses share a node, which is of no namespace.
  for (const { from, to } of map.edges) {
    if (!near.has(to) || of.get(to).kind !== 'Ingress') continue;
    shown.add(to);
    near.add(from);
  }
  return {
    nodes: map.nodes.filter((node) => near.has(node.id)),
    edges: map.edges.filter((edge) => near.has(edge.from) && near.has(edge.to) && (shown.has(edge.from) || shown.has(edge.to))),
  };
}

function order(edges, places) {
  const rank = ({ from, to }) => [places.get(from).x, places.get(from).y, places.get(to).x, places.get(to).y];
  const compare = (a, b) => rank(a).map((value, i) => value - rank(b)[i]).find((difference) => difference !== 0) ?? 0;
  return [...edges].sort(compare);
}

export function draw(map, namespace) {
  picture = map;
  const seen = visible(map, namespace);
  const text = JSON.stringify([seen, chosen, find('map').clientWidth]);
  if (text === drawn) return;
  drawn = text;
  const box = find('map');
  if (seen.nodes.length === 0) {
    box.replaceChildren(html('p', { class: 'quiet' }, 'There is nobody here yet: no pods, Services or Gateways.'));
    return;
  }
  const nodes = new Map(map.nodes.map((node) => [node.id, node]));
  const plan = layout(seen.nodes, seen.edges, box.clientWidth);
  const { places, headings, width, height } = plan;
  const focused = document.activeElement?.closest?.('.link')?.dataset.key;
  box.replaceChildren(svg('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-labelledby': 'map-heading', 'aria-describedby': 'map-help' },
    ...headings.map(({ column, x }) => svg('text', { class: 'heading', x, y: 18 }, HEADINGS[column])),
    svg('g', {}, ...order(seen.edges, places).map((edge) => drawEdge(edge, nodes, plan))),
    svg('g', {}, ...seen.nodes.map((node) => drawNode(node, places.get(node.id))))));
  settleTab();
  for (const link of links()) {
    link.classList.toggle('chosen', link.dataset.key === chosen);
    if (link.dataset.key === focused) link.focus();
  }
}

export function redraw(namespace) {
  if (picture) draw(picture, namespace);
}

export function start(onChoose) {
  choose = onChoose;
  find('map').addEventListener('keydown', move);
}

// The page: asks for the map again and again, and hands out what it says.

import { ask, find, html } from './dom.js';
import * as flows from './flows.js';
import * as map from './map.js';
import * as trace from './trace.js';

const ASK_EVERY = 2000;
// More nodes than that nobody tells apart.
const MOST_AT_ONCE = 80;
let following = false;
let namespaces = '';

// The token is in the cookie now, and nobody else is to read it over a shoulder.
if (location.search) history.replaceState(null, '', location.pathname);

function offerNamespaces(all) {
  if (namespaces === all.join()) return;
  namespaces = all.join();
  const select = find('namespace');
  const now = select.value;
  const options = [['', 'all but kube-system'], ['*', 'all'], ...all.map((name) => [name, name])];
  select.replaceChildren(...options.map(([value, text]) => {
    const option = html('option', {}, text);
    option.value = value;
    return option;
  }));
  select.value = options.some(([value]) => value === now) ? now : '';
}

// A big cluster is shown a namespace at a time, unless somebody asks for more.
function beginSmall(picture) {
  const own = picture.namespaces.filter((name) => name !== 'kube-system');
  const shown = picture.nodes.filter((node) => node.namespace !== 'kube-system');
  if (shown.length > MOST_AT_ONCE && own.length > 1) find('namespace').value = own[0];
}

function show(picture) {
  document.title = `${picture.title} · Weft`;
  find('title').textContent = picture.title;
  offerNamespaces(picture.namespaces);
  if (!following) beginSmall(picture);
  map.draw(picture, find('namespace').value);
  trace.offer(picture);
  find('notes').replaceChildren(...picture.notes.map((note) => html('li', {}, note)));
  find('notes-count').textContent = picture.notes.length === 1 ? 'A note' : `${picture.notes.length} notes`;
  find('notes-box').hidden = picture.notes.length === 0;
  if (picture.flows.seen && !following) flows.start();
  if (!picture.flows.seen && !following) flows.without(picture.flows.problem);
  following = true;
  find('state').textContent = picture.flows.seen && picture.flows.problem ? `Live connections: ${picture.flows.problem}` : '';
}

async function refresh() {
  if (!document.hidden) {
    try {
      show(await ask('/api/map'));
    } catch (error) {
      find('state').textContent = error.message;
    }
  }
  setTimeout(refresh, ASK_EVERY);
}

map.start((edge) => trace.trace(edge.question));
trace.start();
find('namespace').addEventListener('change', (event) => map.redraw(event.target.value));
refresh();

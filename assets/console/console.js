// The console's script. It takes the key from the address, exchanges it for a
// token, and from then on fetches pages with that token and puts them in the
// shell's place. The token stands in no cookie: those go to every port of
// 127.0.0.1. Everything that a page says was escaped by the server.
import { follow } from './live.js';
import { morph } from './morph.js';

const policy = window.trustedTypes?.createPolicy('drawbridge', { createHTML: (html) => html }) ?? { createHTML: (html) => html };
const tabs = new BroadcastChannel('drawbridge');
let stop = () => {}; // ends the stream of the page shown

const $ = (selector) => document.querySelector(selector);
const sentence = (name) => $(`[data-say=${name}]`).cloneNode(true).childNodes;
const token = () => sessionStorage.getItem('token');
const parse = (html) => new DOMParser().parseFromString(policy.createHTML(html), 'text/html');

// enter takes the key out of the address, so that it stays in no history.
async function enter() {
  const proof = new URLSearchParams(location.hash.slice(1));
  if (!proof.has('key') && !proof.has('once')) return;
  history.replaceState(null, '', location.pathname + location.search);
  const body = JSON.stringify({ key: proof.get('key') ?? '', once: proof.get('once') ?? '' });
  const answer = await fetch('/session', { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
  const { token, error } = await answer.json();
  if (token) sessionStorage.setItem('token', token);
  else if (!sessionStorage.getItem('token')) throw new Refusal(error);
}

class Refusal extends Error {}

function ask(url, options = {}) {
  return fetch(url, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token()}` }, cache: 'no-store' });
}

// go fetches a page, shows it and writes the address into the history.
async function go(url, how = 'push', options = {}) {
  stop();
  document.documentElement.dataset.busy = '';
  try {
    const answer = await ask(url, options);
    if (answer.headers.has('Drawbridge-Token')) sessionStorage.setItem('token', answer.headers.get('Drawbridge-Token'));
    if (answer.status === 401) return closed((await answer.json()).error);
    if (!answer.headers.get('Content-Type')?.startsWith('text/html')) return complain((await answer.json()).error);
    const place = answer.status === 404 ? location.pathname : answer.headers.get('Content-Location');
    show(parse(await answer.text()), how);
    if ((how === 'push' || how === 'filter') && place !== location.pathname + location.search) history.pushState(null, '', place);
    else history.replaceState(null, '', place);
    const away = how === 'form' && $('a[data-go]'); // what the form asked for is elsewhere, and leads back here
    if (away) return location.assign(away.href);
    if (answer.status !== 404) stop = follow(place, ask, live, closed);
  } catch (err) {
    complain(err instanceof Refusal ? err.message : sentence('lost'));
  } finally {
    delete document.documentElement.dataset.busy;
  }
}

function show(page, how) {
  const focused = document.activeElement;
  document.title = page.title;
  document.documentElement.lang = page.documentElement.lang;
  const anew = how === 'push';
  if (anew) $('#console').replaceChildren(...page.querySelector('#console').childNodes);
  else morph($('#console'), page.querySelector('#console'));
  if (anew) scrollTo(0, 0);
  const here = $('#nav [aria-current]'); // a phone shows a part of the navigation
  if (here) $('#nav').scrollLeft = here.offsetLeft - 48;
  const said = $('#flash');
  say(said?.textContent ?? '');
  if (anew && !said) $('#main').focus({ preventScroll: true });
  else if (how === 'form' && $('[aria-invalid]')) $('[aria-invalid]').focus();
  else if (!focused.isConnected || how === 'form' || (how === 'stay' && said)) focusOn(said ?? $('#main'));
}

function focusOn(element) {
  element.tabIndex = -1;
  element.focus();
}

// live puts one part of the page in the place of what it was.
function live({ part, html, title }) {
  const old = $(`[data-part="${part}"]`);
  if (!old) return;
  const waiting = $('.badge')?.textContent;
  const before = places();
  const fresh = old.cloneNode(false);
  fresh.append(...parse(html).body.childNodes);
  morph(old, fresh);
  for (const [button, place] of places()) if (before.get(button) !== place) moved.set(button, performance.now());
  document.title = title;
  const now = $('.badge')?.textContent;
  if (now && now !== waiting) say(now);
}

// A button that has just come, or has another place than a moment ago, takes no
// click: the hand was on its way to another one. Keys know what they are on.
const still = 700; // ms
const moved = new WeakMap(); // button → when
function places() {
  const place = (b) => (({ left, top }) => `${Math.round(left)} ${Math.round(top)}`)(b.getBoundingClientRect());
  return new Map([...document.querySelectorAll('form[method=post] button')].map((b) => [b, place(b)]));
}
document.addEventListener('click', (event) => {
  const button = event.target.closest('form[method=post] button');
  if (!button || !event.detail || performance.now() - (moved.get(button) ?? -still) >= still) return;
  event.preventDefault();
  event.stopPropagation();
  say($('[data-say=moved]').textContent);
}, true);

const say = (words) => ($('#say').textContent = words);

// complain shows a sentence without taking the page away.
function complain(words) {
  let flash = $('#flash');
  if (!flash) {
    flash = document.createElement('p');
    flash.id = 'flash';
    $('#main h1').after(flash);
  }
  flash.className = 'bad';
  flash.replaceChildren(...(typeof words === 'string' ? [words] : words));
  say(flash.textContent);
  focusOn(flash);
}

// closed shows what to do without a token, and forgets the page.
function closed(why) {
  stop();
  sessionStorage.removeItem('token');
  $('#nav')?.remove();
  $('#main').replaceChildren(...[$('#main h1'), document.createElement('p'), document.createElement('p')].filter(Boolean));
  const [reason, cure] = document.querySelectorAll('#main p');
  document.title = 'Drawbridge';
  if ($('#main h1')) $('#main h1').textContent = 'Drawbridge';
  reason.textContent = why ?? '';
  cure.replaceChildren(...sentence('closed'));
  say($('#main').textContent);
}

// Links and forms stay what they are; the token is what they lack.
document.addEventListener('click', (event) => {
  const link = event.target.closest('a[href]');
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (event.target.closest('[data-copy]')) return copy(event.target.closest('[data-copy]'));
  if (!link || link.origin !== location.origin || link.target) return;
  event.preventDefault();
  // A place on this page. The browser's own way there is a step in the history,
  // which would fetch the page anew, and a form with entries would lose them.
  if (link.getAttribute('href').startsWith('#')) {
    const place = $(link.hash);
    return (place?.matches('fieldset') ? place.querySelector('input') : place)?.focus();
  }
  if (link.hasAttribute('download')) save(link);
  else go(link.href);
});

document.addEventListener('submit', (event) => {
  const form = event.target;
  event.preventDefault();
  if (form.querySelector('[aria-disabled=true]')) return; // it is under way
  const values = new URLSearchParams(new FormData(form, event.submitter));
  if (form.method === 'get') return go(`${form.action.split('?')[0]}?${values}`, 'filter');
  const button = event.submitter ?? form.querySelector('button');
  button.setAttribute('aria-disabled', 'true'); // still focusable, unlike "disabled"
  if (button.dataset.busy) say((button.textContent = button.dataset.busy));
  go(form.action, 'stay' in form.dataset ? 'stay' : 'form', { method: 'POST', body: values }).finally(() => button.removeAttribute('aria-disabled'));
});

async function save(link) {
  try {
    const answer = await ask(link.href);
    if (answer.status === 401) return closed((await answer.json()).error);
    const file = document.createElement('a');
    file.href = URL.createObjectURL(await answer.blob());
    file.download = link.download;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 60_000);
  } catch {
    complain(sentence('lost'));
  }
}

async function copy(button) {
  const from = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    say($('[data-say=copied]').textContent);
    button.dataset.done = '';
    setTimeout(() => delete button.dataset.done, 2000);
  } catch {
    getSelection().selectAllChildren(from);
    say($('[data-say=uncopied]').textContent);
  }
}

addEventListener('popstate', () => go(location.pathname + location.search, 'back'));
addEventListener('hashchange', () => /^#(key|once)=/.test(location.hash) && start());

// A new tab asks its sisters for the token: it has a storage of its own.
tabs.onmessage = ({ data }) => {
  if (data === 'token?' && token()) tabs.postMessage({ token: token() });
};
function borrow() {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 300);
    tabs.addEventListener('message', ({ data }) => {
      if (!data.token) return;
      sessionStorage.setItem('token', data.token);
      clearTimeout(timer);
      resolve();
    });
    tabs.postMessage('token?');
  });
}

async function start() {
  try {
    await enter();
    if (!token()) await borrow();
  } catch (err) {
    return closed(err instanceof Refusal ? err.message : undefined);
  }
  if (token()) go(location.pathname + location.search, 'first');
  else closed();
}
start();

// morph makes one element look like another and touches only what differs, so
// that focus, open details, the selection and half-filled forms outlive it.

export function morph(old, fresh) {
  syncAttributes(old, fresh);
  const keyed = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  const wanted = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  let at = old.firstChild;
  for (const want of [...fresh.childNodes]) {
    while (at && inTheWay(at, want, wanted)) {
      const next = at.nextSibling;
      at.remove();
      at = next;
    }
    let have = keyed.get(want.id);
    if (!have && at && fits(at, want)) have = at;
    if (!have || have.nodeName !== want.nodeName) {
      old.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else old.insertBefore(have, at);
    if (have.nodeType !== Node.ELEMENT_NODE) {
      if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
    } else if (!have.isEqualNode(want)) morph(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// inTheWay tells whether a node has gone, so that what follows it fits again: an
// element whose id is not wanted any more, or the white space behind one.
function inTheWay(have, want, wanted) {
  if (have.id) return !wanted.has(have.id);
  return have.nodeType === Node.TEXT_NODE && want.nodeType === Node.ELEMENT_NODE && !have.nodeValue.trim();
}

// fits tells whether a node may become another: the same kind, and neither is
// known by an id.
function fits(have, want) {
  return have.nodeName === want.nodeName && !have.id && !want.id;
}

// What the person changed stays: whether details are open, and what is typed.
function syncAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === 'open' && old.localName === 'details')) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

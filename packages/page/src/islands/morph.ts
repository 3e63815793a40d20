/**
 * Makes what stands in `place` the same as `wanted`, and leaves alone what is the same already: a button that is being
 * pressed, the focus and half a line that somebody has written stay where they are.
 */
export function morph(place: Element, wanted: Element): void {
  const old = [...place.childNodes];
  let next = 0;
  for (const fresh of [...wanted.childNodes]) {
    const found = old.findIndex((node, index) => index >= next && isSame(node, fresh));
    if (found < 0) {
      place.insertBefore(fresh, old[next] ?? null);
      continue;
    }
    for (const gone of old.slice(next, found)) gone.remove();
    next = found + 1;
    const kept = old[found];
    if (kept instanceof Element && fresh instanceof Element) {
      takeAttributes(kept, fresh);
      morph(kept, fresh);
    } else if (kept !== undefined && kept.nodeValue !== fresh.nodeValue) kept.nodeValue = fresh.nodeValue;
  }
  for (const gone of old.slice(next)) gone.remove();
}

/** The same thing, though what it says may have changed. A form that does something else is another one. */
function isSame(one: Node, other: Node): boolean {
  if (!(one instanceof Element && other instanceof Element)) return one.nodeType === other.nodeType;
  return one.tagName === other.tagName && keyOf(one) === keyOf(other);
}

const keyOf = (element: Element): string =>
  element instanceof HTMLFormElement
    ? [...element.querySelectorAll('input[type=hidden]')]
        .map((input) => input.getAttribute('value'))
        .join('\n')
    : (element.getAttribute('data-key') ?? element.id);

/** What the reader did to it, and not the server: a form that is on its way, a part that was opened. */
const readers: ReadonlySet<string> = new Set(['aria-busy', 'open']);

function takeAttributes(kept: Element, fresh: Element): void {
  for (const { name } of [...kept.attributes])
    if (!fresh.hasAttribute(name) && !readers.has(name)) kept.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (kept.getAttribute(name) !== value) kept.setAttribute(name, value);
}

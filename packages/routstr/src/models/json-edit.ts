import { createScanner, findNodeAtLocation, getNodeValue, type Node, parseTree } from 'jsonc-parser';

/** How a file is written, so that what is added looks like the rest. */
type Style = { readonly indent: string; readonly eol: string };

const parseOptions = { allowTrailingComma: true };

/** The value at a path of an object of objects; undefined when there is none. */
export function valueAt(text: string, path: readonly string[]): unknown {
  const node = nodeAt(text, path);
  return node && getNodeValue(node);
}

/**
 * Sets one value in a text of JSON with comments. Not a byte changes outside that value, or outside the one place where
 * it is put in: jsonc-parser's own `modify` formats what stands around it anew.
 *
 * @param path names of objects, the last one that of the value; objects that are missing on the way are made
 */
export function setValue(text: string, path: readonly string[], value: unknown): string {
  const style = styleOf(text);
  const present = nodeAt(text, path);
  if (present) return splice(text, present.offset, present.length, write(value, style, path.length));

  let depth = path.length - 1;
  while (depth > 0 && !nodeAt(text, path.slice(0, depth))) depth -= 1;
  const parent = nodeAt(text, path.slice(0, depth));
  if (parent?.type !== 'object') throw new TypeError(`no object at ${path.slice(0, depth).join('.')}`);
  const nested = path.slice(depth + 1).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
  const property = `${JSON.stringify(path[depth])}: ${write(nested, style, depth + 1)}`;
  return insert(text, parent, property, style, depth);
}

/** Puts a property behind all that an object holds, its comments included. */
function insert(text: string, object: Node, property: string, style: Style, depth: number): string {
  const brace = object.offset + object.length - 1;
  const lastEnd = object.children?.reduce((_, child) => child.offset + child.length, 0);
  let place = brace;
  while (/\s/.test(text.charAt(place - 1))) place -= 1;
  const tail = text.slice(place, brace);
  const close = tail.includes('\n') ? '' : style.eol + style.indent.repeat(depth);
  const added = `${style.eol}${style.indent.repeat(depth + 1)}${property}${close}`;
  const withProperty = splice(text, place, 0, added);
  return lastEnd === undefined || lastEnd === 0 || hasComma(text.slice(lastEnd, brace))
    ? withProperty
    : splice(withProperty, lastEnd, 0, ',');
}

/** Whether there is a comma outside comments. */
function hasComma(text: string): boolean {
  const scanner = createScanner(text, true);
  // A token without length is the end.
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    if (text.charAt(scanner.getTokenOffset()) === ',') return true;
  }
  return false;
}

const nodeAt = (text: string, path: readonly string[]): Node | undefined => {
  const root = parseTree(text, [], parseOptions);
  return root && findNodeAtLocation(root, [...path]);
};

const splice = (text: string, offset: number, length: number, added: string): string =>
  text.slice(0, offset) + added + text.slice(offset + length);

const write = (value: unknown, style: Style, depth: number): string =>
  JSON.stringify(value, null, style.indent).replaceAll('\n', style.eol + style.indent.repeat(depth));

const styleOf = (text: string): Style => ({
  indent: /\n([ \t]+)\S/.exec(text)?.[1] ?? '  ',
  eol: text.includes('\r\n') ? '\r\n' : '\n',
});

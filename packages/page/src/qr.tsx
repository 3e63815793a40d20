/** @jsxImportSource hono/jsx */
import { create } from 'qrcode';

/** Light modules around it, as the standard wants. */
const quiet = 4;
/** The view that shows one is made anew twice a second: drawings of the last invoices are kept. */
const kept = new Map<string, string>();
const mostKept = 50;

/**
 * A QR code, black on white whatever the theme: cameras want it so.
 *
 * @param text in upper case where that means the same: it makes the code smaller (QR's alphanumeric mode)
 */
export const Qr = ({ text, label }: { readonly text: string; readonly label: string }) => {
  const drawn = kept.get(text) ?? draw(text);
  const [size] = drawn.split(' ', 1);
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shape-rendering="crispEdges"
    >
      <rect width="100%" height="100%" fill="#fff" />
      <path d={drawn.slice((size?.length ?? 0) + 1)} fill="#000" />
    </svg>
  );
};

/** Its size, and the path of its dark modules, row by row. */
function draw(text: string): string {
  const { size, data } = create(text, { errorCorrectionLevel: 'L' }).modules;
  let path = '';
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      let end = x;
      while (end < size && data[y * size + end] === 1) end += 1;
      if (end > x) path += `M${x + quiet} ${y + quiet}h${end - x}v1h${x - end}z`;
      x = end;
    }
  }
  const drawn = `${size + 2 * quiet} ${path}`;
  for (const oldest of kept.size >= mostKept ? [...kept.keys()].slice(0, 1) : []) kept.delete(oldest);
  kept.set(text, drawn);
  return drawn;
}

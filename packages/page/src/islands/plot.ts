import uPlot from 'uplot';

/** Draws the table of days as bars, one upon the other. Everything that it shows stands in the table. */
function plotDays(page: Document): void {
  const figure = page.querySelector<HTMLElement>('[data-plot]');
  const canvas = figure?.querySelector<HTMLElement>('.canvas');
  const table = page.getElementById('by-day');
  if (!figure || !canvas || !(table instanceof HTMLTableElement)) return;
  figure.hidden = false;
  const days = read(table);
  let drawn: uPlot | undefined;
  const draw = () => {
    drawn?.destroy();
    drawn = new uPlot(optionsFor(figure, canvas, days), [[...days.days.keys()], ...stacked(days)], canvas);
  };
  draw();
  new ResizeObserver(() => drawn?.setSize(sizeOf(canvas))).observe(figure);
  // Its colours are drawn, so they are drawn anew.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}

type Days = {
  /** Oldest first. */
  readonly days: readonly string[];
  readonly names: readonly string[];
  /** Sat of each series on each day. */
  readonly amounts: readonly (readonly number[])[];
};

function read(table: HTMLTableElement): Days {
  const rows = [...(table.tBodies[0]?.rows ?? [])].reverse();
  const names = [...(table.tHead?.rows[0]?.cells ?? [])].slice(1, -1).map(({ textContent }) => textContent);
  const amountsOf = (row: HTMLTableRowElement) =>
    [...row.querySelectorAll<HTMLElement>('[data-sat]')].map(({ dataset }) => Number(dataset.sat));
  const ofDays = rows.map(amountsOf);
  return {
    days: rows.map((row) => row.cells[0]?.textContent ?? ''),
    names,
    amounts: names.map((_, series) => ofDays.map((amounts) => amounts[series] ?? 0)),
  };
}

/** The highest is drawn first, and the others before it. */
function stacked({ amounts, days }: Days): number[][] {
  const sums = days.map(() => 0);
  return amounts
    .map((series) => {
      for (const [day, amount] of series.entries()) sums[day] = (sums[day] ?? 0) + amount;
      return [...sums];
    })
    .reverse();
}

const sizeOf = ({ clientWidth }: HTMLElement) => ({
  width: clientWidth,
  height: Math.round(Math.min(320, Math.max(200, clientWidth * 0.4))),
});

const amount = (value: number): string => value.toLocaleString('en-US');

function optionsFor(figure: HTMLElement, canvas: HTMLElement, days: Days): uPlot.Options {
  const ink = getComputedStyle(figure).color;
  const line = getComputedStyle(figure).borderTopColor;
  const colours = days.names.map((_, index) => {
    const swatch = document.querySelector(`.swatch.series-${index}`);
    return swatch === null ? ink : getComputedStyle(swatch).backgroundColor;
  });
  const bars = uPlot.paths.bars?.({ size: [0.8, 48] });
  const axis = { stroke: ink, ticks: { show: false }, font: '12px system-ui, sans-serif' };
  /** `Sun 22 Nov` without the day of the week. */
  const dayAt = (index: number) => days.days[index]?.replace(/^\S+ /, '') ?? '';
  return {
    ...sizeOf(canvas),
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: [-0.6, days.days.length - 0.4] },
      y: { range: (_, _from, to) => [0, Math.max(1, to) * 1.05] },
    },
    padding: [8, 8, 0, 0],
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 28,
        space: 56,
        incrs: [1, 2, 7, 14, 28],
        values: (_, at) => at.map(dayAt),
      },
      { ...axis, grid: { stroke: line, width: 1 }, size: 64, values: (_, sats) => sats.map(amount) },
    ],
    series: [
      {},
      ...colours.toReversed().map((fill) => ({
        fill,
        width: 0,
        points: { show: false },
        ...(bars === undefined ? {} : { paths: bars }),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => say(figure, days, cursor.idx)] },
  };
}

/** What the day under the pointer cost. */
function say(figure: HTMLElement, { days, names, amounts }: Days, index: number | null | undefined): void {
  const says = figure.querySelector('[data-plot-says]');
  if (!says) return;
  const usual = 'Sat a day, fees included.';
  if (index === null || index === undefined) {
    says.textContent = usual;
    return;
  }
  const parts = names.flatMap((name, series) => {
    const spent = amounts[series]?.[index] ?? 0;
    return spent === 0 ? [] : [`${name} ${amount(spent)}`];
  });
  says.textContent = `${days[index]}: ${parts.length === 0 ? 'nothing' : parts.join(', ')}`;
}

plotDays(document);

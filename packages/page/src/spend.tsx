/** @jsxImportSource hono/jsx */
import type { Hono } from 'hono';
import { z } from 'zod';
import { MoneyMenu, NoWallet } from './money-menu.tsx';
import type { DayOfSpend } from './money-source.ts';
import type { PageEnv } from './page-app.tsx';
import { mostSeries, type Series, seriesOf } from './spend-series.ts';
import type { Inside } from './view.ts';

const periods = [7, 30, 90] as const;
const question = z.object({
  days: z.coerce
    .number()
    .refine((days) => periods.some((period) => period === days))
    .catch(30),
  by: z.enum(['model', 'owner']).catch('model'),
});
type Question = z.infer<typeof question>;

/** `/money/spend`: what was spent on each day. The plot is drawn from the table below it, by a script. */
export function spendPages(app: Hono<PageEnv>, { source, viewerOf, page }: Inside): void {
  app.get('/money/spend', (c) => {
    const viewer = viewerOf(c);
    if (!source.money.hasWallet()) return c.html(page(viewer, <NoWallet />));
    const isAdmin = viewer.visitor.role === 'admin';
    const asked = question.parse(c.req.query());
    const given = isAdmin ? asked : { ...asked, by: 'model' as const };
    const { days, spent } = source.money.spend(viewer.visitor, { ...given, most: mostSeries });
    const series = seriesOf(days, spent);
    return c.html(page(viewer, <Spend asked={given} days={days} series={series} isAdmin={isAdmin} />));
  });
}

type Shown = {
  readonly asked: Question;
  readonly days: readonly DayOfSpend[];
  readonly series: readonly Series[];
};

const Spend = ({ asked, days, series, isAdmin }: Shown & { readonly isAdmin: boolean }) => (
  <>
    <MoneyMenu at="/money/spend" />
    <div class="choices">
      <nav aria-label="How long">
        {periods.map((period) => (
          <Choice to={{ ...asked, days: period }} isNow={period === asked.days} label={`${period} days`} />
        ))}
      </nav>
      {isAdmin && (
        <nav aria-label="By what">
          <Choice to={{ ...asked, by: 'model' }} isNow={asked.by === 'model'} label="By model" />
          <Choice to={{ ...asked, by: 'owner' }} isNow={asked.by === 'owner'} label="By owner" />
        </nav>
      )}
    </div>
    {series.length === 0 ? (
      <p>Nothing was spent in these {asked.days} days.</p>
    ) : (
      <Figures asked={asked} days={days} series={series} />
    )}
  </>
);

const Choice = (choice: { readonly to: Question; readonly isNow: boolean; readonly label: string }) => (
  <a
    href={`/money/spend?days=${choice.to.days}&by=${choice.to.by}`}
    aria-current={choice.isNow ? 'true' : undefined}
  >
    {choice.label}
  </a>
);

const Figures = ({ asked, days, series }: Shown) => {
  const [spent, runs, open] = [
    sum(series.map((each) => each.spent)),
    sum(series.map((each) => each.runs)),
    sum(series.map((each) => each.open)),
  ];
  return (
    <>
      <p class="large">
        {digits(spent)} sat <small>in {runs === 1 ? '1 run' : `${digits(runs)} runs`}</small>
      </p>
      {open > 0 && <p class="dim">{digits(open)} sat more are at stake in runs that are not settled.</p>}
      <figure class="plot" data-plot="by-day" hidden>
        <div class="canvas" />
        <figcaption class="dim" data-plot-says>
          Sat a day, fees included.
        </figcaption>
      </figure>
      <Totals asked={asked} series={series} spent={spent} />
      <details class="by-day">
        <summary>Each day as a table</summary>
        <section class="wide" tabindex={0} aria-label="Each day">
          <ByDay days={days} series={series} />
        </section>
      </details>
      <script type="module" src="/assets/plot.js" />
    </>
  );
};

const Totals = ({ asked, series, spent }: Pick<Shown, 'asked' | 'series'> & { readonly spent: number }) => (
  <table class="totals">
    <thead>
      <tr>
        <th scope="col">{asked.by === 'owner' ? 'Owner' : 'Model'}</th>
        <th scope="col" class="amount">
          Sat
        </th>
        <th scope="col" class="amount">
          Runs
        </th>
        <th scope="col" class="share">
          Share
        </th>
      </tr>
    </thead>
    <tbody>
      {series.map((each, index) => (
        <tr>
          <th scope="row">
            <span class={`swatch series-${index}`} aria-hidden="true" /> {each.name}
          </th>
          <td class="amount">{digits(each.spent)}</td>
          <td class="amount">{digits(each.runs)}</td>
          <td class="share">{spent === 0 ? '' : `${Math.round((each.spent / spent) * 100)} %`}</td>
        </tr>
      ))}
    </tbody>
  </table>
);

/** The newest day first; the script reads it, so that the plot shows these figures and no others. */
const ByDay = ({ days, series }: Pick<Shown, 'days' | 'series'>) => (
  <table id="by-day">
    <thead>
      <tr>
        <th scope="col">Day</th>
        {series.map(({ name }) => (
          <th scope="col" class="amount">
            {name}
          </th>
        ))}
        <th scope="col" class="amount">
          All
        </th>
      </tr>
    </thead>
    <tbody>
      {days
        .map((day, index) => ({ day, amounts: series.map((each) => each.days[index] ?? 0) }))
        .toReversed()
        .map(({ day, amounts }) => (
          <tr>
            <th scope="row">{day.name}</th>
            {amounts.map((amount) => (
              <td class="amount" data-sat={amount}>
                {digits(amount)}
              </td>
            ))}
            <td class="amount">{digits(sum(amounts))}</td>
          </tr>
        ))}
    </tbody>
  </table>
);

const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0);
const digits = (amount: number): string => amount.toLocaleString('en-US');

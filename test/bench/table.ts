// How figures are told: the median, its bar, a verdict, and how far the runs lie apart, which is this machine's noise.

/** One figure. */
export interface Row {
  readonly what: string;
  /** One of each run. */
  readonly values: readonly number[];
  readonly unit: "×" | "ms" | "MiB" | "processes";
  /** The most it may be. */
  readonly bar: number;
  readonly note?: string;
}

/** The rows as lines of text. */
export function render(rows: readonly Row[]): string[] {
  return rows.flatMap(({ what, values, unit, bar, note }) => {
    const value = median(values);
    const digits = unit === "×" ? 2 : 1;
    const shown = `${value.toFixed(digits)} ${unit}`;
    const spread =
      values.length === 1
        ? "one run"
        : `of ${values.length} runs, 10th to 90th percentile ${quantile(values, 0.1).toFixed(digits)} to ${quantile(values, 0.9).toFixed(digits)}`;
    return [
      `${value <= bar ? "met   " : "MISSED"}  ${shown.padStart(11)}  bar ${bar} ${unit}  ${what}`,
      `        ${" ".repeat(11)}  ${spread}${note === undefined ? "" : `; ${note}`}`,
    ];
  });
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

function quantile(values: readonly number[], part: number): number {
  const inOrder = values.toSorted((a, b) => a - b);
  return (
    inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * part))] ??
    Number.NaN
  );
}

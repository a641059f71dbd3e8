// Samples by contestant, and what is said of them: the median, and how far they spread.

export interface Summary {
  readonly samples: number;
  readonly median: number;
  readonly p99: number;
  readonly lowest: number;
  readonly highest: number;
}

export class Samples {
  readonly #values = new Map<string, number[]>();

  add(contestant: string, ...values: readonly number[]): void {
    for (const value of values) {
      if (!Number.isFinite(value)) throw new Error(`cannot take ${value} as a measurement of ${contestant}`);
    }
    this.#values.set(contestant, [...(this.#values.get(contestant) ?? []), ...values]);
  }

  addAll(others: Samples): void {
    for (const [contestant, values] of others.#values) this.add(contestant, ...values);
  }

  /** One summary for each contestant, in the order in which they came. */
  summaries(): Record<string, Summary> {
    return Object.fromEntries([...this.#values].map(([name, values]) => [name, summarise(values)]));
  }
}

function summarise(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    samples: sorted.length,
    median: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    lowest: quantile(sorted, 0),
    highest: quantile(sorted, 1),
  };
}

/** The value below which the share `q` of the sorted values lies, interpolated, to four digits. */
function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const [low = Number.NaN, high = low] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  return Number((low + (high - low) * (position - Math.floor(position))).toPrecision(4));
}

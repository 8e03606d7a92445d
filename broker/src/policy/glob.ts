// The one kind of pattern this product has: `*` stands for any number of characters but never for `/`; all else is
// literal. Matching is linear and intersection is decided exactly, because a policy in which two rules may claim the
// same name has to be refused when it is loaded, and neither sooner nor later.

/** Whether a text matches a pattern. `*` never matches `/`. Takes at most pattern × text steps, whatever they hold. */
export function matchesGlob(pattern: string, text: string): boolean {
  const patterns = pattern.split("/");
  const texts = text.split("/");
  return (
    patterns.length === texts.length &&
    patterns.every((part, index) => matchesPart(part, texts[index] ?? ""))
  );
}

// Only the last star ever has to be taken back: whatever an earlier one might take instead, the later one can take too.
function matchesPart(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p;
      resume = t;
      p += 1;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p += 1;
      t += 1;
    } else if (star >= 0) {
      resume += 1;
      t = resume;
      p = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") {
    p += 1;
  }
  return p === pattern.length;
}

/** How many characters of a pattern are literal. A `/` is structure and counts for nothing. */
export function literalLength(pattern: string): number {
  return pattern.replaceAll(/[*/]/g, "").length;
}

/**
 * Whether some text matches both patterns, when each of its parts between slashes has 1 to `longest` characters.
 * Exact: a name that would have to be longer than a name may be does not count.
 */
export function globsIntersect(
  left: string,
  right: string,
  longest: number,
): boolean {
  const lefts = left.split("/");
  const rights = right.split("/");
  return (
    lefts.length === rights.length &&
    lefts.every((part, index) =>
      partsIntersect(part, rights[index] ?? "", longest),
    )
  );
}

function partsIntersect(left: string, right: string, longest: number): boolean {
  if (!endsAgree(left, right)) {
    return false;
  }
  const shortest = shortestCommon(left, right);
  // The empty text is no name; two patterns that share it are all stars and share every name.
  return shortest <= longest && left !== "" && right !== "";
}

// Most pairs differ before their first star or after their last one, and need no table.
function endsAgree(left: string, right: string): boolean {
  const head = (text: string): string => text.split("*", 1)[0] ?? "";
  const tail = (text: string): string => text.slice(text.lastIndexOf("*") + 1);
  const [a, b, c, d] = [head(left), head(right), tail(left), tail(right)];
  return (
    (a.startsWith(b) || b.startsWith(a)) && (c.endsWith(d) || d.endsWith(c))
  );
}

/** The length of the shortest text that matches both; Infinity when there is none. */
function shortestCommon(left: string, right: string): number {
  // below[j] is the answer for left.slice(i + 1) and right.slice(j); the table is filled from the ends.
  let below: number[] = [];
  for (let i = left.length; i >= 0; i -= 1) {
    const row: number[] = [];
    for (let j = right.length; j >= 0; j -= 1) {
      row[j] = cell(left[i], right[j], below, row, j);
    }
    below = row;
  }
  return below[0] ?? Infinity;
}

function cell(
  l: string | undefined,
  r: string | undefined,
  below: readonly number[],
  row: readonly number[],
  j: number,
): number {
  const down = below[j] ?? Infinity;
  const across = row[j + 1] ?? Infinity;
  if (l === undefined && r === undefined) {
    return 0;
  }
  const options: number[] = [];
  if (l === "*") {
    // The star ends here, or takes what the other pattern has next (a star takes another one's star for nothing).
    options.push(down, across + (r === undefined || r === "*" ? 0 : 1));
  }
  if (r === "*") {
    options.push(across, down + (l === undefined || l === "*" ? 0 : 1));
  }
  if (l !== undefined && l === r && l !== "*") {
    options.push((below[j + 1] ?? Infinity) + 1);
  }
  return Math.min(Infinity, ...options);
}

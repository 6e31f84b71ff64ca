// What a release changes in the sources, and when it is refused; without effects.

/** Files of a folder, by their paths. */
export type Files = Readonly<Record<string, string>>;

/** Where the version stands: the first place is the one that all others follow. */
const PLACES: readonly (readonly [file: string, pattern: RegExp])[] = [
  ['package.json', /^( {2}"version": ")([^"]*)(")/m],
  ['package-lock.json', /^( {2}"version": ")([^"]*)(")/m],
  ['package-lock.json', /^( {2}"packages": \{\n {4}"": \{\n(?: {6}.*\n)*? {6}"version": ")([^"]*)(")/m],
  ['packaging/alpine/APKBUILD', /^(pkgver=)(.*)($)/m],
  ['packaging/arch/PKGBUILD', /^(pkgver=)(.*)($)/m],
  ['packaging/nix/default.nix', /^( {2}version = ")([^"]*)(")/m],
];
const CHANGES = 'CHANGELOG.md';
const UNRELEASED = '## [Unreleased]\n';

/** The files that a release changes. */
export const VERSION_FILES: readonly string[] = [...new Set([...PLACES.map(([file]) => file), CHANGES])];

/**
 * The version that each place has.
 * @param files the files of VERSION_FILES
 * @returns the place and its version; undefined where it has none
 */
export function versionsOf(files: Files): readonly (readonly [file: string, version: string | undefined])[] {
  return PLACES.map(([file, pattern]) => [file, pattern.exec(files[file] ?? '')?.[2]] as const);
}

/**
 * Why there can be no release of this version.
 * @param files the files of VERSION_FILES
 * @param version the new version
 * @param status what `git status --porcelain` prints
 * @returns a sentence; undefined where nothing is against it
 */
export function refusalOf(files: Files, version: string, status: string): string | undefined {
  if (parts(version) === undefined)
    return `"${version}" is no version; say three numbers, as in "npm run release -- 1.0.0".`;
  if (status.trim() !== '')
    return `The tree has changes that are not committed: commit or remove them.\n${status.trimEnd()}`;
  const [[, present] = ['', undefined], ...others] = versionsOf(files);
  const other = others.find(([, found]) => found !== present);
  if (present === undefined || other !== undefined)
    return `${other?.[0] ?? 'package.json'} has the version ${other?.[1]}, and package.json ${present}: make them equal.`;
  if (!isGreater(version, present))
    return `Version ${version} is not greater than ${present}, which is there.`;
  if (unreleasedOf(files[CHANGES] ?? '').trim() === '')
    return `${CHANGES} has nothing under "Unreleased": say what the version brings.`;
  return undefined;
}

/**
 * The files as the new version has them.
 * @param files the files of VERSION_FILES
 * @param version the new version
 * @param day its date, as 2026-01-31
 */
export function releasedFiles(files: Files, version: string, day: string): Files {
  const changed = { ...files };
  for (const [file, pattern] of PLACES)
    changed[file] = (changed[file] ?? '').replace(
      pattern,
      (_, before: string, _old: string, after: string) => `${before}${version}${after}`,
    );
  changed[CHANGES] = (files[CHANGES] ?? '')
    .replace(' Nothing is released yet.', '')
    .replace(UNRELEASED, `${UNRELEASED}\n## [${version}] - ${day}\n`);
  return changed;
}

/** What the changelog says of the version to come. */
function unreleasedOf(changes: string): string {
  const at = changes.indexOf(UNRELEASED);
  return at < 0 ? '' : (changes.slice(at + UNRELEASED.length).split(/^## /m)[0] ?? '');
}

function isGreater(version: string, than: string): boolean {
  const [one = [], other = []] = [parts(version), parts(than)];
  const at = one.findIndex((part, i) => part !== other[i]);
  return at >= 0 && (one[at] ?? 0) > (other[at] ?? 0);
}

function parts(version: string): number[] | undefined {
  return /^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(version) ? version.split('.').map(Number) : undefined;
}

// Types for packages that have none, as far as yargs-platform.ts uses them.

declare module 'cliui' {
  interface Text {
    stringWidth(text: string): number;
    stripAnsi(text: string): string;
    wrap(text: string, width: number): string;
  }
  export function cliui(options: object, text: Text): object;
}

declare module 'yargs-parser/browser' {
  const parser: object;
  export default parser;
}

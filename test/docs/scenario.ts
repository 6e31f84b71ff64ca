import type { Host } from '../support/hosts/host.ts';
import type { Page } from './page.ts';

/** What has a host that is closed when its test ends. */
export interface Hosted {
  readonly host: Host;
}

/** Some sections of a document, typed from top to bottom on hosts of their own. */
export interface Scenario {
  readonly document: string;
  readonly headings: readonly string[];
  /**
   * Types the commands, and looks at the state that the document shows.
   * @param page the sections
   * @param keep keeps a host, to close it at the end
   */
  readonly play: (page: Page, keep: <T extends Hosted>(made: T) => T) => Promise<void> | void;
}

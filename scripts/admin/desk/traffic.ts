import { prometheusText } from '../../../lib/desk/traffic/prometheus.ts';
import { reportOf, type TrafficReport, trafficReport } from '../../../lib/desk/traffic/report.ts';
import { trafficJson, trafficRows } from '../../../lib/desk/traffic/traffic-text.ts';
import { HostError, messageOf, RequestError, XenNetworkError } from '../../../lib/errors.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { addUpRuns, forgetTraffic, readTraffic } from '../../../lib/hook/traffic/totals.ts';
import { listed, quote } from '../../../lib/text.ts';
import { table } from '../table.ts';

/** The arguments of `xen-network traffic`. */
export interface TrafficOptions {
  /** A guest's name, uuid or domain; undefined for all. */
  readonly guest: string | undefined;
  readonly json: boolean;
  readonly prometheus: boolean;
  readonly save: boolean;
  /** The folder of node_exporter's text files. */
  readonly textfile: string | undefined;
  readonly forget: boolean;
}

const COULD_NOT_LOOK = 2;
/** The file for node_exporter, which reads all that end so. */
const TEXT_FILE = 'xen-network.prom';

/**
 * Shows what each guest has sent and received, and saves it.
 * @param context the call
 * @param options the arguments
 * @returns 0; 1 where something is not counted, or counts were lost
 * @throws RequestError for arguments that do not go together; HostError, with the status 2, where the counts cannot be read or
 * saved
 */
export async function traffic(context: Context, options: TrafficOptions): Promise<number> {
  const { guest, json, prometheus, forget, save, textfile } = options;
  if (json && prometheus) throw wrong('Say --json or --prometheus, not both.');
  if (forget && (guest === undefined || json || prometheus || save || textfile !== undefined))
    throw wrong('--forget takes one guest, and nothing else.');
  if (prometheus && guest !== undefined)
    throw wrong('--prometheus tells of all guests; Prometheus itself selects one.');
  try {
    return forget && guest !== undefined ? await forgotten(context, guest) : await shown(context, options);
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError) || thrown.exitCode === COULD_NOT_LOOK) throw thrown;
    throw new HostError(messageOf(thrown), { exitCode: COULD_NOT_LOOK, cause: thrown });
  }
}

async function shown(context: Context, options: TrafficOptions): Promise<number> {
  const { system, log } = context;
  const { guest, json, prometheus, save, textfile } = options;
  // Where there is no such folder, nobody reads what would be in it.
  const folder = textfile !== undefined && system.kindOf(textfile) === 'folder' ? textfile : undefined;
  if (folder !== undefined) await addUpRuns(system);
  const facts = await readTraffic(context, save);
  const all = trafficReport(facts);
  if (folder !== undefined) system.replaceFile(`${folder}/${TEXT_FILE}`, prometheusText(all));
  const report = guest === undefined ? all : reportOf(all, guest, facts);
  if (guest !== undefined && report.guests.length === 0)
    throw wrong(
      `No traffic of a guest ${quote(guest)} was counted. "xen-network traffic" shows all that was.`,
    );
  if (json) context.print(`${JSON.stringify(trafficJson(report), null, 2)}\n`);
  else if (prometheus) context.print(prometheusText(report));
  else if (!save && textfile === undefined) context.print(textOf(report));
  if (!json) for (const sentence of report.warnings) log.warn(sentence);
  return report.warnings.length === 0 ? 0 : 1;
}

function textOf(report: TrafficReport): string {
  if (report.guests.length > 0) return table(trafficRows(report));
  return 'No guest is counted. Say account=yes to a network hook, or to a guest.\n';
}

async function forgotten({ system, print }: Context, guest: string): Promise<number> {
  const names = await forgetTraffic(system, (name, uuid) => [name, uuid].includes(guest));
  if (names.length === 0)
    throw wrong(`There are no totals of a guest ${quote(guest)} that is not counted now.`);
  print(`The totals of ${listed(names)} are forgotten.\n`);
  return 0;
}

function wrong(sentence: string): RequestError {
  return new RequestError(sentence, { exitCode: COULD_NOT_LOOK });
}

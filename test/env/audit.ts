import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** One answered request, as the API server's audit log has it. */
export interface Call {
  readonly user: string;
  /** The node that the caller's token is bound to. */
  readonly node: string | undefined;
  readonly verb: string;
  readonly resource: string;
  /** What was sent, as text. */
  readonly body: string;
  /** HTTP status of the answer; 0 where there was none. */
  readonly status: number;
  /** When it was answered; milliseconds since 1970, with the microseconds behind the point. */
  readonly endMs: number;
}

const NODE_CLAIM = 'authentication.kubernetes.io/node-name';
const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Request
    users: [system:serviceaccount:mono-system:os-controller, system:serviceaccount:mono-system:node-agent]
  - level: None
`;

/** Lets an API server keep an account of what our two programs ask of it, in `dir`. */
export async function prepareAudit(dir: string): Promise<{ flags: string[]; file: string }> {
  const [policy, file] = [join(dir, 'audit-policy.yaml'), join(dir, 'audit.log')];
  await writeFile(policy, POLICY);
  return { flags: [`--audit-policy-file=${policy}`, `--audit-log-path=${file}`], file };
}

/** All calls so far, in the order in which they were answered. A watch counts when it ends. */
export async function readCalls(file: string): Promise<Call[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(line => line !== '');
  return lines.map(line => callOf(JSON.parse(line))).sort((left, right) => left.endMs - right.endMs);
}

/** The part of an audit event that is read here. */
interface AuditEvent {
  readonly user: { readonly username: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
  readonly verb: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly requestObject?: unknown;
  readonly responseStatus?: { readonly code?: number };
  readonly stageTimestamp: string;
}

const callOf = ({
  user,
  verb,
  objectRef,
  requestObject,
  responseStatus,
  stageTimestamp,
}: AuditEvent): Call => ({
  user: user.username.split(':').at(-1) ?? '',
  node: user.extra?.[NODE_CLAIM]?.[0],
  verb,
  resource: [objectRef?.resource, objectRef?.subresource].filter(part => part !== undefined).join('/'),
  body: JSON.stringify(requestObject ?? ''),
  status: responseStatus?.code ?? 0,
  endMs: Date.parse(stageTimestamp) + Number(/\.\d{3}(\d{3})Z$/.exec(stageTimestamp)?.[1] ?? 0) / 1000,
});

/** Whether a call changes something other than the leader's Lease, which is renewed whatever happens. */
export const isWrite = ({ verb, resource }: Call): boolean =>
  ['create', 'update', 'patch', 'delete'].includes(verb) && resource !== 'leases' && !isQuestion(resource);

/** Who am I, may I: made by POST, and nothing is stored. */
const isQuestion = (resource: string): boolean => /^(selfsubject|subjectaccess)/.test(resource);

import { join } from 'node:path';
import type { ServerName } from '../tls/certificate-names.ts';

/** What was made. */
export interface MadeCertificates {
  readonly dir: string;
  /** Files without their endings. */
  readonly names: readonly string[];
  readonly server: readonly ServerName[] | undefined;
  readonly client: string | undefined;
  readonly notAfter: Date;
  readonly isNewAuthority: boolean;
}

const NODE_FOLDER = '/etc/KubeOS/certs';

/** Tells a person what each file is for, and the fields that name them. */
export function adviceLines(made: MadeCertificates): string[] {
  const { dir, names, server, client, notAfter, isNewAuthority } = made;
  const files = names.flatMap(name => [`${name}.crt`, `${name}.key`]);
  return [
    `made in ${dir}: ${files.join(', ')}`,
    `Valid until ${notAfter.toISOString().slice(0, 10)}. To renew, before that: ${renewal(made)}`,
    ...(server ? serverLines(server) : []),
    ...(client ? clientLines(client, server) : []),
    ...(isNewAuthority
      ? [
          '',
          `Keep ${join(dir, 'ca.key')} to yourself: it signs further certificates. No server and no node needs it.`,
        ]
      : []),
  ];
}

function renewal({ dir, server, client }: MadeCertificates): string {
  const names = server ? [` --server ${server.map(name => name.value).join(',')}`] : [];
  return `ctl certs create --out ${dir}${names.join('')}${client ? ` --client ${client}` : ''} --force`;
}

const serverLines = (server: readonly ServerName[]): string[] => [
  '',
  `On the image server (${server.map(name => name.value).join(', ')}): server.crt and server.key, and ca.crt as the`,
  'authority of the clients. For nginx:',
  '  ssl_certificate server.crt; ssl_certificate_key server.key;',
  '  ssl_client_certificate ca.crt; ssl_verify_client on;',
];

function clientLines(client: string, server: readonly ServerName[] | undefined): string[] {
  const [first] = server ?? [];
  const host = first ? urlHost(first) : 'your.image.server';
  return [
    '',
    `On every node that downloads: ca.crt, ${client}.crt and ${client}.key in ${NODE_FOLDER}, the key readable by root alone:`,
    `  install -d -m 755 ${NODE_FOLDER}`,
    `  install -m 644 ca.crt ${client}.crt ${NODE_FOLDER}/ && install -m 600 ${client}.key ${NODE_FOLDER}/`,
    '',
    'In the spec of an OS:                      In an entry of a catalog (OSUpgrade):',
    ...beside(
      [
        `imageurl: https://${host}/…`,
        'mtls: true',
        'cacert: ca.crt',
        `clientcert: ${client}.crt`,
        `clientkey: ${client}.key`,
      ],
      [`url: https://${host}/…`, 'caCert: ca.crt', `clientCert: ${client}.crt`, `clientKey: ${client}.key`],
    ),
  ];
}

const beside = (left: readonly string[], right: readonly string[]): string[] =>
  left.map((line, index) => `  ${line.padEnd(42)} ${right[index] ?? ''}`.trimEnd());

function urlHost({ type, value }: ServerName): string {
  if (type === 'ip') return value.includes(':') ? `[${value}]` : value;
  return value.replace(/^\*\./, 'images.');
}

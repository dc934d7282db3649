import { type Command, InvalidArgumentError } from 'commander';
import { clientNameProblem, parseServerName, type ServerName } from '../tls/certificate-names.ts';
import type { CertsOptions } from './certs-create.ts';
import type { CliContext } from './context.ts';
import { UsageError } from './exit.ts';

const HELP = `
The first call makes a private authority and, signed by it, a certificate for the image server and one
for the nodes. Files: ca.crt, ca.key, server.crt, server.key, client.crt, client.key. What to do with
each is told on stderr. Later calls with the same folder make what --server or --client name, signed by
the same authority.

  server.crt, server.key, ca.crt           on the image server
  ca.crt, client.crt, client.key           on every node, in /etc/KubeOS/certs
  ca.key                                   nowhere: it signs further certificates

Nothing is overwritten without --force, and the authority never is: begin with an empty folder to
get another one.

Examples:
  ctl certs create --out certs --server images.example.com,10.0.0.5
  ctl certs create --out certs --client node-2            # files node-2.crt, node-2.key
  ctl certs create --out certs --server images.example.com --force    # renew the server's

In the YAML:
  OS          mtls: true, cacert: ca.crt, clientcert: client.crt, clientkey: client.key
  catalog     caCert: ca.crt, clientCert: client.crt, clientKey: client.key`;

/** Leaf certificates that count for longer are refused by some programs. */
const DEFAULT_DAYS = 825;
const MAX_DAYS = 3650;

/** Adds `ctl certs create`. */
export function registerCerts(program: Command, context: CliContext): void {
  const certs = program.command('certs').description('make certificates for an image server and its nodes');
  certs
    .command('create')
    .description('make a private authority, and server and client certificates that it signs')
    .requiredOption('--out <dir>', 'folder for the files; an authority that is there is used')
    .option('--server <names>', 'names and addresses of the image server, with commas between', parseServer)
    .option('--client <name>', 'make a client certificate of this name', parseClient)
    .option(
      '--days <days>',
      `how long server and client certificates count, 1 to ${MAX_DAYS}`,
      parseDays,
      DEFAULT_DAYS,
    )
    .option('--force', 'replace server and client certificates that are there')
    .addHelpText('after', HELP)
    .action(async (options: CertsOptions) => {
      if (!options.server && !options.client)
        throw new UsageError('say what to make: --server images.example.com, or --client NAME');
      const { createCertificates } = await import('./certs-create.ts');
      await createCertificates(options, context);
    });
}

function parseServer(text: string): ServerName[] {
  return text.split(',').map(part => {
    const name = parseServerName(part.trim());
    if (typeof name === 'string') throw new InvalidArgumentError(`"${part.trim()}" ${name}.`);
    return name;
  });
}

function parseClient(text: string): string {
  const problem = clientNameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`"${text}" ${problem}.`);
  return text;
}

function parseDays(text: string): number {
  const days = Number(text);
  if (/^\d+$/.test(text) && days >= 1 && days <= MAX_DAYS) return days;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MAX_DAYS}.`);
}

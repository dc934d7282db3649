import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import { stringify } from 'yaml';
import type { OSUpgrade, OSUpgradeStatus } from '../../src/api/monok8s/index.ts';
import { type ControllerProcess, startController } from '../env/controller-process.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { eventually } from '../env/wait.ts';
import { fault } from './rows.ts';
import { NEW, OLD, useWorld } from './world.ts';

const IMAGES = ['v1.33.9', 'v1.34.6', 'v1.35.1', 'v1.36.0'];

describe('faults of a request and its catalog', function () {
  this.timeout(60_000);
  const world = useWorld();
  let controller: ControllerProcess;
  let node: EmulatedNode;
  let count = 0;

  before(async function () {
    this.timeout(60_000);
    controller = await startController(world().cluster, ['--allow-http-catalogs']);
    node = await world().node();
    await world().cluster.kubectl([
      'wait',
      '--for=jsonpath={.metadata.labels.monok8s\\.io/managed}=true',
      'node',
      '--all',
    ]);
  });
  after(() => controller?.stop());
  afterEach(async () => {
    // No refusal may have led to any work.
    const { stdout } = await world().cluster.kubectl(['get', 'osupgradeprogresses', '-o', 'name']);
    expect(stdout).to.equal('');
    await node.assertBootsVersion(OLD);
    await world().cluster.kubectl(['delete', 'osupgrades', '--all']);
  });

  /** A catalog of good entries, with what a row changes. */
  const catalog = (change: object = {}): string =>
    stringify({
      stable: NEW,
      images: IMAGES.map(version => ({ ...world().entry(), version })),
      blocked: ['v1.34.6'],
      ...change,
    });
  const request = async (spec: object): Promise<string> => {
    count += 1;
    const name = `request-${count}`;
    await world().apply({ apiVersion: 'monok8s.io/v1alpha1', kind: 'OSUpgrade', metadata: { name }, spec });
    return name;
  };
  const until = async (name: string, phase: string, reason?: string): Promise<OSUpgradeStatus> => {
    let status: OSUpgradeStatus | undefined;
    await eventually(
      async () => {
        status = (await world().get<OSUpgrade>('osupgrade', name)).status;
        return status?.phase === phase && (reason === undefined || status.reason === reason);
      },
      { timeoutMs: 20_000, what: `${name} is ${phase} ${reason ?? ''}` },
    ).catch(error => {
      throw new Error(`${error.message}\n${JSON.stringify(status)}`);
    });
    return status ?? {};
  };
  /** Asserts the refusal in the status and as an Event. */
  const rejects = async (spec: object, reason: string, says: readonly (string | RegExp)[]): Promise<void> => {
    const name = await request(spec);
    const status = await until(name, 'Rejected', reason);
    for (const part of says) {
      if (typeof part === 'string') expect(status.message).to.contain(part);
      else expect(status.message).to.match(part);
    }
    await eventually(
      async () => {
        const { stdout } = await world().cluster.kubectl([
          'events',
          '--for',
          `osupgrade/${name}`,
          '-o',
          'json',
        ]);
        return JSON.parse(stdout).items.some((event: { reason: string }) => event.reason === reason);
      },
      { timeoutMs: 10_000, what: `an Event ${reason} about ${name}` },
    );
  };
  const inline = (version: string, change?: object) => ({ version, catalog: { inline: catalog(change) } });

  fault('version not in the catalog', () =>
    rejects(inline('v1.35.3'), 'VersionNotInCatalog', ['v1.35.3', 'v1.36.0', 'v1.35.1', 'v1.33.9']),
  );

  fault('blocked', () => rejects(inline('v1.34.6'), 'VersionBlocked', ['v1.34.6', /block/]));

  fault('downgrade', () => rejects(inline('v1.33.9'), 'Downgrade', ['v1.33.9', OLD]));

  fault('two minors ahead', () => rejects(inline('v1.36.0'), 'VersionSkew', ['v1.36.0', OLD, /minor/]));

  fault('no stable', () =>
    rejects(inline('stable', { stable: undefined }), 'NoStableVersion', ['spec.version', 'stable']),
  );

  fault('malformed catalog (line and column)', async () => {
    await rejects(
      { version: NEW, catalog: { inline: 'stable: v1\nimages:\n  - version: [' } },
      'CatalogMalformed',
      [/line 3/, /column \d+/],
    );
    await rejects({ version: NEW, catalog: { inline: 'stable: v1.35.1\nimages: 7\n' } }, 'CatalogMalformed', [
      /line 2/,
      'images',
    ]);
    const bad = catalog({ images: [{ ...world().entry(), version: NEW, checksum: 'sha256:abc' }] });
    await rejects({ version: NEW, catalog: { inline: bad } }, 'ChecksumInvalid', ['sha256:', /line \d+/]);
  });

  fault('catalog over 1 MiB', async () => {
    const file = join(world().cluster.dir, 'huge.yaml');
    await writeFile(file, `${catalog()}# ${'x'.repeat(2 ** 20)}\n`);
    world().server.serve('/huge.yaml', file);
    const url = `${world().server.url}/huge.yaml`;
    await rejects({ version: NEW, catalog: { url } }, 'CatalogTooLarge', ['1 MiB']);
  });

  fault('YAML alias bomb', async () => {
    const levels = Array.from({ length: 9 }, (_, level) =>
      level === 0 ? 'l0: &l0 [x, x, x]' : `l${level}: &l${level} [${`*l${level - 1}, `.repeat(9)}]`,
    );
    const bomb = `${levels.join('\n')}\n${catalog()}`;
    const before = performance.now();
    await rejects({ version: NEW, catalog: { inline: bomb } }, 'CatalogMalformed', [/alias/]);
    expect(performance.now() - before).to.be.lessThan(15_000);
  });

  fault('two catalog sources', async () => {
    const spec = {
      version: NEW,
      catalog: { inline: catalog(), url: 'https://images.example.com/catalog.yaml' },
    };
    const object = {
      apiVersion: 'monok8s.io/v1alpha1',
      kind: 'OSUpgrade',
      metadata: { name: 'two-sources' },
      spec,
    };
    const { code, stderr } = await world().cluster.kubectl(['apply', '-f', '-'], {
      stdin: JSON.stringify(object),
      allowFailure: true,
    });
    expect(code).to.not.equal(0);
    expect(stderr).to.contain('exactly one of catalog.inline, catalog.url and catalog.configMap');
  });

  fault('unreachable catalog (retried)', async () => {
    // A port that is taken and free again: nobody listens there until the row says so.
    const late = createServer(
      (_, response) => void response.end(catalog({ images: [{ ...world().entry(), version: '1.0.0' }] })),
    );
    await new Promise<void>(resolve => late.listen(0, '127.0.0.1', resolve));
    const address = late.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await new Promise<void>(resolve => late.close(() => resolve()));
    const name = await request({ version: NEW, catalog: { url: `http://127.0.0.1:${port}/catalog.yaml` } });
    const { message } = await until(name, 'Pending', 'CatalogUnreachable');
    expect(message).to.contain(`127.0.0.1:${port}`);
    await new Promise<void>(resolve => late.listen(port, '127.0.0.1', resolve));
    await until(name, 'Rejected', 'VersionNotInCatalog');
    late.closeAllConnections();
    late.close();
  });
});

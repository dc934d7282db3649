import { expect } from 'chai';
import { type ImageServer, startImageServer } from '../env/image-server.ts';
import type { EmulatedNode } from '../env/node/emulated-node.ts';
import { putFile } from '../env/node/node-files.ts';
import { Authority, type Pair } from '../tls/authority.ts';
import { fault } from './rows.ts';
import { type Expected, expectEnd, IMAGE_PATH, useWorld } from './world.ts';

const RETRY = 'retryNonce';
const MTLS = { mtls: true, caCert: 'ca.crt', clientCert: 'client.crt', clientKey: 'client.key' };

describe('faults of certificates', function () {
  this.timeout(120_000);
  const world = useWorld();
  const authority = new Authority('images');
  let node: EmulatedNode;
  /** Demands a client's certificate. */
  let strict: ImageServer;
  let expired: ImageServer;

  const serve = (pair: Pair, clientCa?: string): Promise<ImageServer> =>
    startImageServer({
      files: { [IMAGE_PATH]: world().image.zstPath },
      tls: { ...pair, ...(clientCa !== undefined && { clientCa }) },
    });
  const hosts = ['127.0.0.1'];

  before(async () => {
    node = await world().node();
    strict = await serve(authority.issue({ name: 'server', hosts }), authority.pair.cert);
    expired = await serve(authority.issue({ name: 'server', hosts, fromDays: -9, toDays: -1 }));
    const client = authority.issue({ name: 'node' });
    const files = {
      'ca.crt': authority.pair.cert,
      'client.crt': client.cert,
      'client.key': client.key,
      'late.crt': authority.issue({ name: 'node', fromDays: -9, toDays: -1 }).cert,
      'early.crt': authority.issue({ name: 'node', fromDays: 1, toDays: 9 }).cert,
      'other.key': new Authority('another').pair.key,
    };
    for (const [name, text] of Object.entries(files))
      await putFile(node.files, `/etc/KubeOS/certs/${name}`, text);
    await putFile(node.files, '/etc/KubeOS/secret.key', client.key);
  });
  after(async () => {
    await strict?.close();
    await expired?.close();
  });

  type Entry = ReturnType<ReturnType<typeof world>['entry']>;
  const fails = async (
    server: ImageServer,
    change: Partial<Entry>,
    says: Expected['says'],
  ): Promise<void> => {
    const entry = world().entry({ url: `${server.url}${IMAGE_PATH}`, flagSafe: false, ...change });
    const status = await world().end(await world().plan(node.name, entry));
    await expectEnd(status, node, { phase: 'Failed', reason: 'CertificateInvalid', says: [...says, RETRY] });
    expect(status.retryCount ?? 0, 'it was not tried again and again').to.equal(0);
    expect(server.requests, 'nothing was asked').to.have.length(0);
    expect(await node.slotOsRelease('B'), 'nothing was written').to.deep.equal({});
  };

  fault('certificate of the server expired', () =>
    fails(expired, { caCert: 'ca.crt' }, [/server's certificate has expired/]),
  );

  fault('client certificate demanded', () =>
    fails(strict, { caCert: 'ca.crt' }, ['clientCert', 'clientKey', 'mtls: true']),
  );

  fault('client certificate expired', () =>
    fails(strict, { ...MTLS, clientCert: 'late.crt' }, ['late.crt', /expired/]),
  );

  fault('client certificate not yet valid', () =>
    fails(strict, { ...MTLS, clientCert: 'early.crt' }, ['early.crt', /not valid/]),
  );

  fault('key of another certificate', () =>
    fails(strict, { ...MTLS, clientKey: 'other.key' }, ['other.key', 'client.crt']),
  );

  fault('certificate that is not there', () => fails(strict, { ...MTLS, caCert: 'none.crt' }, ['none.crt']));

  fault('certificate name that leaves the folder', () =>
    fails(strict, { ...MTLS, clientKey: '../secret.key' }, ['../secret.key']),
  );
});

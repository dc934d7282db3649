import { expect } from 'chai';
import { toPlanImage } from '../../src/domain/plan-image.ts';

const checksum = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('toPlanImage', () => {
  const cases: { name: string; image: { url: string }; want: object }[] = [
    {
      name: 'an address',
      image: { url: 'https://a.example/i' },
      want: { url: 'https://a.example/i', checksum },
    },
    {
      name: 'an address on the node itself may be plain http',
      image: { url: 'http://127.0.0.1:8080/i' },
      want: { url: 'http://127.0.0.1:8080/i', checksum, flagSafe: true },
    },
    {
      name: 'a registry keeps its scheme: what follows is a host, not a folder of Docker Hub',
      image: { url: 'oci://registry/os:v1' },
      want: { reference: 'oci://registry/os:v1', checksum },
    },
  ];
  for (const { name, image, want } of cases)
    it(name, () => expect(toPlanImage({ version: 'v1.35.1', checksum, ...image })).to.deep.equal(want));

  it('a client certificate means both sides', () =>
    expect(
      toPlanImage({ version: 'v1', url: 'https://a/i', checksum, clientCert: 'c', clientKey: 'k' }),
    ).to.include({ clientCert: 'c', clientKey: 'k', mtls: true }));
});

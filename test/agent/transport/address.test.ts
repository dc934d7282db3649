import { expect } from 'chai';
import { checkAddress, checkRedirect, publicAddress } from '../../../src/agent/transport/address.ts';
import { reasonOf } from '../../../src/domain/errors.ts';

const outcome = (act: () => URL): string => {
  try {
    return act().href;
  } catch (error) {
    return reasonOf(error);
  }
};

describe('addresses', () => {
  for (const { address, flagSafe = false, want } of [
    { address: 'https://images.test/a.zst', want: 'https://images.test/a.zst' },
    { address: 'http://images.test/a.zst', want: 'InsecureAddress' },
    { address: 'http://images.test/a.zst', flagSafe: true, want: 'http://images.test/a.zst' },
    // That a catalog's loopback address needs no flag is decided where the plan is made.
    { address: 'http://127.0.0.1:8000/a', want: 'InsecureAddress' },
    { address: 'http://localhost:8000/a', flagSafe: true, want: 'http://localhost:8000/a' },
    { address: 'ftp://images.test/a', want: 'AddressUnsupported' },
    { address: 'file:///etc/passwd', want: 'AddressUnsupported' },
    { address: 'oci://images.test/os:1', want: 'AddressUnsupported' },
    { address: 'images.test/a', want: 'AddressUnsupported' },
    { address: '', want: 'AddressUnsupported' },
  ]) {
    it(`${address || 'nothing'}${flagSafe ? ' with flagSafe' : ''}: ${want}`, () =>
      expect(outcome(() => checkAddress(address, flagSafe))).to.equal(want));
  }

  for (const { from, to, followed = 0, flagSafe = false, want } of [
    { from: 'https://a.test/x/y', to: 'z', want: 'https://a.test/x/z' },
    { from: 'https://a.test/x', to: 'https://b.test/', want: 'https://b.test/' },
    { from: 'https://a.test/x', to: 'http://a.test/x', flagSafe: true, want: 'InsecureAddress' },
    { from: 'https://a.test/x', to: 'http://127.0.0.1/x', want: 'InsecureAddress' },
    { from: 'http://localhost/x', to: 'http://b.test/x', want: 'InsecureAddress' },
    { from: 'http://localhost/x', to: 'https://b.test/x', want: 'https://b.test/x' },
    { from: 'https://a.test/x', to: 'file:///etc/passwd', want: 'AddressUnsupported' },
    { from: 'https://a.test/x', to: '/y', followed: 4, want: 'https://a.test/y' },
    { from: 'https://a.test/x', to: '/y', followed: 5, want: 'TooManyRedirects' },
  ]) {
    it(`redirect number ${followed + 1} from ${from} to ${to}: ${want}`, () =>
      expect(outcome(() => checkRedirect(new URL(from), to, followed, flagSafe))).to.equal(want));
  }

  it('keeps secrets out of messages', () => {
    expect(publicAddress(new URL('https://u:p@a.test/x?token=1'))).to.equal('https://a.test/x');
  });

  it('names an address of a registry', () => {
    expect(() => checkAddress('oci://images.test/os:1?token=secret', false)).to.throw(
      'oci://images.test/os:1 is an image of a registry',
    );
  });
});

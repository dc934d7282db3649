import { expect } from 'chai';
import { createGuard } from '../../../../src/agent/transport/registry/guard.ts';
import { reasonOf } from '../../../../src/domain/errors.ts';

const checked = (registry: string, address: string): string => {
  try {
    createGuard(registry).check(new URL(address));
    return 'passes';
  } catch (error) {
    return reasonOf(error);
  }
};
const lookedUp = (registry: string, host: string): Promise<string> =>
  new Promise(resolve => {
    createGuard(registry).lookup(host, { all: true }, error =>
      resolve(error === null ? 'passes' : reasonOf(error)),
    );
  });

describe('where a registry may lead to', () => {
  for (const [registry, address, want] of [
    ['h.example', 'https://cdn.example/x', 'passes'],
    ['h.example', 'https://10.0.0.1/x', 'passes'],
    ['h.example', 'https://169.254.169.254/x', 'AddressForbidden'],
    ['h.example', 'https://[::ffff:169.254.169.254]/x', 'AddressForbidden'],
    ['h.example', 'https://[fe80::1]/x', 'AddressForbidden'],
    ['h.example', 'https://2852039166/x', 'AddressForbidden'],
    ['h.example', 'https://127.0.0.1/x', 'AddressForbidden'],
    ['h.example', 'https://127.1/x', 'AddressForbidden'],
    ['h.example', 'https://[::1]/x', 'AddressForbidden'],
    ['h.example', 'https://[::ffff:127.0.0.1]/x', 'AddressForbidden'],
    ['h.example', 'https://localhost/x', 'AddressForbidden'],
    ['h.example', 'https://0.0.0.0/x', 'AddressForbidden'],
    ['h.example', 'https://[::]/x', 'AddressForbidden'],
    ['h.example', 'https://[::ffff:0.0.0.0]/x', 'AddressForbidden'],
    ['127.0.0.1', 'https://localhost/x', 'passes'],
    ['127.0.0.1', 'https://169.254.169.254/x', 'AddressForbidden'],
    ['169.254.1.1', 'https://169.254.1.1:8443/x', 'passes'],
  ] as const)
    it(`${registry} to ${address}: ${want}`, () => expect(checked(registry, address)).to.equal(want));

  it('is looked at again when the name is known', async () => {
    expect(await lookedUp('h.example', 'localhost')).to.equal('AddressForbidden');
    expect(await lookedUp('127.0.0.1', 'localhost')).to.equal('passes');
  });
});

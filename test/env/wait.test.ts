import { expect } from 'chai';
import { eventually } from './wait.ts';

describe('eventually', () => {
  it('resolves to the first answer that is neither undefined nor false', async () => {
    const answers = [undefined, false, 0];
    expect(await eventually(() => answers.shift(), { timeoutMs: 1_000, everyMs: 1, what: 'zero' })).to.equal(
      0,
    );
  });

  it('takes an error for "not yet"', async () => {
    let calls = 0;
    const check = async (): Promise<number> => {
      calls += 1;
      if (calls < 3) throw new Error('not there');
      return calls;
    };
    expect(await eventually(check, { timeoutMs: 1_000, everyMs: 1, what: 'three' })).to.equal(3);
  });

  it('names what it waited for, and the last answer or error', async () => {
    const patience = { timeoutMs: 5, everyMs: 1, what: 'pigs fly' };
    const failure = async (check: () => undefined): Promise<Error> =>
      eventually(check, patience).then(
        () => expect.fail('did not throw'),
        (error: Error) => error,
      );
    expect((await failure(() => undefined)).message).to.equal(
      'waited 5 ms in vain until pigs fly; last answer: undefined',
    );
    const cause = new Error('no wings');
    const thrown = await failure(() => {
      throw cause;
    });
    expect(thrown.message).to.equal('waited 5 ms in vain until pigs fly; last check failed');
    expect(thrown.cause).to.equal(cause);
  });
});

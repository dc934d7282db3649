import { messageOf, reasonOf, StalledError } from '../../domain/errors.ts';
import { targetOfOS } from '../../domain/os-target.ts';
import type { Request } from '../../domain/request.ts';
import { targetOfImage } from '../../domain/request-osupgrade.ts';
import type { World } from '../fleet.ts';
import type { CatalogSource } from './catalog-source.ts';
import { beginRollout, isSettledRejection } from './decide.ts';
import type { CatalogAnswer, RequestSnapshot, TargetAnswer } from './decision.ts';

/** Tells what requests bring to their nodes. */
export interface TargetSource {
  /** What is known now, and whether it is read outside the request. */
  answer(request: Request): Pick<RequestSnapshot, 'answer' | 'isReadElsewhere'>;
}

/** Makes the source: an `OS` says it itself, an `OSUpgrade` names a catalog, whose entry is pinned in its status. */
export function createTargetSource(
  world: Pick<World, 'upgrades' | 'oses'>,
  catalogs: Pick<CatalogSource, 'answer'>,
): TargetSource {
  return {
    answer: request => {
      const { metadata } = request;
      if (request.kind === 'OS') return { answer: answerOfOS(world, metadata), isReadElsewhere: false };
      const upgrade = world.upgrades.get(metadata);
      if (upgrade === undefined) return { answer: { state: 'reading' }, isReadElsewhere: false };
      const isReadElsewhere = upgrade.spec.catalog.inline === undefined;
      const pinned = beginRollout(request, 0).image;
      if (pinned !== undefined)
        return { answer: toTarget({ state: 'resolved', image: pinned }), isReadElsewhere };
      if (isSettledRejection({ request, isReadElsewhere }))
        return { answer: { state: 'reading' }, isReadElsewhere };
      return { answer: toTarget(catalogs.answer(upgrade)), isReadElsewhere };
    },
  };
}

const toTarget = (answer: CatalogAnswer): TargetAnswer =>
  answer.state === 'resolved' ? { ...answer, target: targetOfImage(answer.image) } : answer;

function answerOfOS({ oses }: Pick<World, 'oses'>, metadata: Request['metadata']): TargetAnswer {
  const os = oses.get(metadata);
  if (os === undefined) return { state: 'reading' };
  try {
    return { state: 'resolved', target: targetOfOS(os.spec) };
  } catch (error) {
    if (!(error instanceof StalledError)) throw error;
    return { state: 'refused', reason: reasonOf(error), message: messageOf(error) };
  }
}

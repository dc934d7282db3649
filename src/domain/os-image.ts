import type { PlanImage } from '../api/monok8s/index.ts';
import type { OSSpec } from '../api/openeuler/index.ts';
import { StalledError } from './errors.ts';
import { parseImageReference } from './image-reference.ts';

/**
 * The image that an `OS` with `opstype: upgrade` names, as a plan carries it. Plain http without `flagSafe` is let
 * through: the agent refuses it, so that the log of the node tells.
 * @throws StalledError `ImageTypeMissing`, `ImageMissing`, `AddressInvalid`, `ReferenceInvalid`, `ChecksumInvalid`,
 *   `CertificateInvalid`
 */
export function imageOfOS(spec: OSSpec): PlanImage {
  switch (spec.imagetype ?? '') {
    case 'disk':
      return diskImage(spec);
    case 'docker':
    case 'containerd':
      return containerImage(spec);
    default:
      throw new StalledError(
        'ImageTypeMissing',
        'spec.imagetype is empty: an upgrade needs disk (with spec.imageurl), docker or containerd (with spec.containerimage)',
      );
  }
}

/** The container image by either of its names; empty if there is none. */
export const containerImageOf = ({ containerimage, dockerimage }: OSSpec): string =>
  containerimage || dockerimage || '';

function diskImage(spec: OSSpec): PlanImage {
  const url = addressOf(spec.imageurl ?? '');
  const checksum = checksumOf(spec.checksum ?? '');
  if (checksum === undefined) throw checksumInvalid('is empty: give what sha256sum prints for the file');
  const { flagSafe = false } = spec;
  return url.protocol === 'https:'
    ? { url: url.href, checksum, ...certificatesOf(spec) }
    : { url: url.href, checksum, flagSafe };
}

function addressOf(text: string): URL {
  if (text === '')
    throw new StalledError('ImageMissing', 'spec.imageurl is empty: give the https address of the image');
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    throw new StalledError(
      'AddressInvalid',
      'spec.imageurl must be an address that begins with https:// or http://',
    );
  if (url.username !== '' || url.password !== '')
    throw new StalledError(
      'AddressInvalid',
      'spec.imageurl must not hold a user name or password: anyone may read them',
    );
  return url;
}

function containerImage(spec: OSSpec): PlanImage {
  const { containerimage = '', dockerimage = '' } = spec;
  if (containerimage !== '' && dockerimage !== '' && containerimage !== dockerimage)
    throw new StalledError(
      'ImageMissing',
      'spec.containerimage and its older name spec.dockerimage differ: give one of them',
    );
  const reference = containerImageOf(spec);
  if (reference === '')
    throw new StalledError(
      'ImageMissing',
      'spec.containerimage is empty: give repository/name:tag (spec.dockerimage is its older name)',
    );
  parseImageReference(reference, containerimage === '' ? 'spec.dockerimage' : 'spec.containerimage');
  const checksum = checksumOf(spec.checksum ?? '');
  return { reference, ...(checksum === undefined ? {} : { checksum }) };
}

/** With or without `sha256:`, in upper or lower case, as both generations of upstream's documents have it. */
function checksumOf(text: string): string | undefined {
  if (text === '') return undefined;
  const hex = text.toLowerCase().replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(hex)) throw checksumInvalid('must be the 64 hex digits of a SHA-256');
  return `sha256:${hex}`;
}

const checksumInvalid = (what: string): StalledError =>
  new StalledError('ChecksumInvalid', `spec.checksum ${what}`);

function certificatesOf(spec: OSSpec): Pick<PlanImage, 'caCert' | 'clientCert' | 'clientKey' | 'mtls'> {
  const wanted = spec.mtls === true ? (['cacert', 'clientcert', 'clientkey'] as const) : [];
  for (const field of wanted) {
    if (!spec[field]) throw certificateInvalid(field, 'is empty, but spec.mtls is true: name the file');
  }
  for (const field of ['cacert', ...wanted] as const) assertFileName(field, spec[field] ?? '');
  return {
    ...(spec.cacert && { caCert: spec.cacert }),
    ...(spec.mtls === true && { clientCert: spec.clientcert, clientKey: spec.clientkey, mtls: true }),
  };
}

function assertFileName(field: string, name: string): void {
  if (name === '' || (/^[\w.-]+$/.test(name) && !/^\.+$/.test(name))) return;
  throw certificateInvalid(
    field,
    "must be the name of a file in the node's certificate folder, without a path",
  );
}

const certificateInvalid = (field: string, what: string): StalledError =>
  new StalledError('CertificateInvalid', `spec.${field} ${what}`);

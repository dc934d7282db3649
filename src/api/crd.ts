import { z } from 'zod';

/** One column of `kubectl get`. Priority 1 shows it only with `-o wide`. */
export interface PrinterColumn {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly priority?: 0 | 1;
  readonly description?: string;
}

/** What the API server has to know of a kind beside its schema. */
export interface KindDefinition {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  readonly scope: 'Cluster' | 'Namespaced';
  /** What `kubectl explain` says of the kind. */
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly isSpecRequired: boolean;
  readonly columns: readonly PrinterColumn[];
  /** Fields that `--field-selector` may use, such as `.spec.nodeName`. */
  readonly selectableFields?: readonly string[];
}

type JsonSchema = z.core.JSONSchema.BaseSchema;
const INT_OR_STRING = 'x-kubernetes-int-or-string';
const ANY_FIELDS = 'x-kubernetes-preserve-unknown-fields';

/**
 * The `CustomResourceDefinition` (apiextensions.k8s.io/v1) of a kind, as a plain object.
 * @source https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
 */
export function toCustomResourceDefinition(definition: KindDefinition): object {
  const { group, plural, singular, kind, shortNames, scope } = definition;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: { kind, listKind: `${kind}List`, plural, singular, ...(shortNames && { shortNames }) },
      scope,
      versions: [toVersion(definition)],
    },
  };
}

function toVersion(definition: KindDefinition): object {
  const { version, columns, selectableFields, description, isSpecRequired, spec, status } = definition;
  return {
    name: version,
    served: true,
    storage: true,
    subresources: { status: {} },
    additionalPrinterColumns: columns,
    ...(selectableFields && { selectableFields: selectableFields.map(jsonPath => ({ jsonPath })) }),
    schema: {
      openAPIV3Schema: {
        description,
        type: 'object',
        ...(isSpecRequired && { required: ['spec'] }),
        properties: {
          apiVersion: { type: 'string' },
          kind: { type: 'string' },
          metadata: { type: 'object' },
          spec: toStructuralSchema(spec),
          status: toStructuralSchema(status),
        },
      },
    },
  };
}

/** A zod schema as the structural OpenAPI schema that the API server accepts. */
export function toStructuralSchema(schema: z.ZodType): object {
  const {
    $schema: _,
    '~standard': __,
    ...rest
  } = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => makeStructural(jsonSchema),
  });
  return rest;
}

/** Changes one node of the schema in place, which is how zod hands it out. */
function makeStructural(schema: JsonSchema): void {
  dropSafeIntegerBounds(schema);
  if (schema[INT_OR_STRING] === true) mergeIntOrString(schema);
  else if (schema.type === undefined && schema.properties === undefined) schema[ANY_FIELDS] = true;
  // A structural schema may not have both; unknown fields are pruned anyway.
  if (schema.properties !== undefined) delete schema.additionalProperties;
  // JavaScript writes \/ where RE2 and people write /.
  if (schema.pattern !== undefined) schema.pattern = schema.pattern.replaceAll('\\/', '/');
}

/** zod's integers end where JavaScript's are exact; that is no rule of the API. */
function dropSafeIntegerBounds(schema: JsonSchema): void {
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
}

/** The API server wants the two types bare; bounds of either stand beside them and bind only their own type. */
function mergeIntOrString(schema: JsonSchema): void {
  for (const branch of schema.anyOf ?? []) {
    dropSafeIntegerBounds(branch);
    const { type: _, ...bounds } = branch;
    Object.assign(schema, bounds);
  }
  schema.anyOf = [{ type: 'integer' }, { type: 'string' }];
}

export * from './names.ts';
export * from './osinstance.ts';

export * from './configs.ts';
export * from './names.ts';
export * from './os.ts';
export * from './osinstance.ts';

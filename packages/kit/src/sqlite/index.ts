export { nullable } from './columns.ts';
export { DatabaseTooNewError, type Migration, openDatabase } from './open.ts';

import winston, { type Logger } from 'winston';
import Transport from 'winston-transport';

/** A log that keeps its lines for the test to look at. */
export function recordingLog(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  class Memory extends Transport {
    override log(info: unknown, next: () => void): void {
      lines.push(JSON.stringify(info));
      next();
    }
  }
  return { lines, log: winston.createLogger({ level: 'debug', transports: [new Memory()] }) };
}

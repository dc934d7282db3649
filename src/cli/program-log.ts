import winston from 'winston';

/** The log of the programs that run on: JSON lines on stdout. `level` is winston's; default `info`. */
export const createProgramLog = (level = 'info'): winston.Logger =>
  winston.createLogger({
    level,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Console()],
  });

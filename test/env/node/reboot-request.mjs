// Stands in for `systemctl reboot`: asks the emulated machine, whose socket is the first argument.
import { connect } from 'node:net';

connect(process.argv[2] ?? '')
  .on('error', error => {
    console.error(`the machine does not answer: ${error.message}`);
    process.exitCode = 1;
  })
  .end('reboot\n')
  .resume();

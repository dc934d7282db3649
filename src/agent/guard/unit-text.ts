/** The systemd unit of a guard. */
export const UNIT_TEXT = `# The trial guard of twinslot (an operator that upgrades the operating system of Kubernetes nodes).
#
# It forces a reboot @LIMIT@ seconds after the start of the machine, unless slot @SLOT@ has become the
# default by then: so the boot loader goes back to the system that ran before when a new one is
# broken. Its script tells who put it here, what it goes by and how to remove it:
# @SCRIPT@
#
#   To stop it until the next boot:  systemctl stop @UNIT@
#   To boot without it:              add twinslot.guard=off to the kernel line at the boot menu

[Unit]
Description=Reboot unless the trial of slot @SLOT@ is confirmed
# Nothing is waited for, and nothing takes it away: neither a mount that fails nor the emergency shell.
DefaultDependencies=no
IgnoreOnIsolate=yes
ConditionKernelCommandLine=!twinslot.guard=off
StartLimitIntervalSec=0

[Service]
Type=simple
# An at sign before its name: it stays while the last processes are ended, and reboots the machine if that hangs.
ExecStart=@/bin/sh @/sh @SCRIPT@
Restart=on-failure
RestartSec=5
OOMScoreAdjust=-1000
# The journal may not be there yet.
StandardInput=null
StandardOutput=null
StandardError=null
`;

// The small programs that live beside containers, as functions of argv. See monitor.cc, exec_monitor.cc and pause.cc.
#pragma once

namespace minikube::oci {

// `<program> container-monitor --flag value ...`, or `<program> container-monitor exec ...`
int MonitorMain(int argc, char** argv);
// `<program> container-monitor exec <container's directory> <pid file> <console socket, or ""> <control> <stdin>
// <stdout> <stderr> <OCI runtime> <argument>...`: names within the directory, and numbers of open descriptors (-1 =
// none)
int ExecMonitorMain(int argc, char** argv);
// `<program> pause --flag value ...`
int PauseMain(int argc, char** argv);

}  // namespace minikube::oci

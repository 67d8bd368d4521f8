// The two small programs that live beside containers, as functions of argv. See monitor.cc and pause.cc.
#pragma once

namespace minikube::oci {

// `<program> container-monitor --flag value ...`
int MonitorMain(int argc, char** argv);
// `<program> pause --flag value ...`
int PauseMain(int argc, char** argv);

}  // namespace minikube::oci

// Signals to processes that are certainly the ones meant: by pidfd, checked against the start time.
// Thread safety: any thread.
#pragma once

#include <chrono>
#include <string>

#include <minikube/status.h>

#include "oci/state.h"

namespace minikube::oci {

// Whether it exists and has not ended.
bool IsAlive(const ProcessRef& process);
// Does not block. Errors: kNotFound (gone), kInternal.
Status SendSignal(const ProcessRef& process, int signal);
// Blocks until it has ended, at most `patience`. True if it has.
bool WaitEnd(const ProcessRef& process, std::chrono::milliseconds patience);
// Kills it and waits. OK if it is gone.
Status KillAndWait(const ProcessRef& process);

// Changes with every boot of the machine.
std::string BootId();

}  // namespace minikube::oci

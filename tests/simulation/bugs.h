// The planted bugs: for each promise that the simulation checks, a part of the simulated world that breaks it. They are
// here to show that the simulator would notice; no product code knows them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace minikube::simulation {

enum class Bug : std::uint8_t {
  kNone,
  // The disk.
  kAcknowledgesUnsynced,  // Apply answers before the data is safe
  kReadMissesKey,         // a range leaves out a key
  kHistorySkips,          // a replay leaves out a change
  kCollectsTooMuch,       // garbage collection removes what can still be read
  kSkipsRevisions,        // revisions are left out after a start
  // The network between the API server and its clients.
  kWatchDrops,        // an event does not arrive
  kWatchRepeats,      // an event arrives twice
  kWatchReorders,     // two events change places
  kBookmarkTooEarly,  // a bookmark says more than was sent
  kStaleRead,         // a read is answered with what an earlier one saw
  kIgnoresVersion,    // an update does not say which version it means
  kNotRepeatable,     // a latency that does not come from the seed
  // The components' deeds.
  kBindsTwice,          // a bound pod moves to another node
  kBindsAnywhere,       // pods are bound without a look at what is free
  kCreatesTwice,        // each pod of a replica set is created twice
  kNeverScalesDown,     // pods that are too many stay
  kSurgesTooFar,        // a rollout scales up beyond its surge
  kTakesTooMany,        // a rollout takes pods away that must stay available
  kRecreatesEarly,      // new pods while those that they replace still run
  kKeepsOrphans,        // dependents of what is gone stay
  kDeletesOrphans,      // dependents that were to be orphaned go
  kForegroundTooEarly,  // an owner goes before the dependents that it waits for
  kLeaksSandbox,        // a node forgets to remove what a pod left
  kLosesPodStatus,      // a node's pods never become ready
  kNeverFinalizes,      // a deleted namespace stays
  kLeaksWatch,          // a connection that nobody closes
  kLeaksTimer,          // a timer that nobody cancels
};

struct BugInfo {
  Bug bug;
  std::string_view name;     // on the command line
  std::string_view promise;  // the one that it breaks, as Verdict names it
};
std::span<const BugInfo> AllBugs();

}  // namespace minikube::simulation

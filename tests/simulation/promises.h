// The promises that a simulation checks, by name. docs/simulation.md says what each means.
#pragma once

#include <array>
#include <string_view>

namespace minikube::simulation {

inline constexpr std::string_view kNothingLost = "nothing acknowledged is lost";
inline constexpr std::string_view kBusInOrder = "the bus has every revision once, in order";
inline constexpr std::string_view kHistoryReadable = "every revision that is not compacted reads as it was";
inline constexpr std::string_view kReadsAreCurrent = "a read shows one revision, no older than the last acknowledged";
inline constexpr std::string_view kWatchComplete = "a watch shows every change once, in order";
inline constexpr std::string_view kUpdateMeansVersion = "an update changes the version that it names";
inline constexpr std::string_view kBoundOnce = "a pod is bound once";
inline constexpr std::string_view kNodesHold = "no node is given more than it has";
inline constexpr std::string_view kReplicasExact = "a replica set creates no pod too many";
inline constexpr std::string_view kSurge = "a rollout never exceeds its surge";
inline constexpr std::string_view kAvailable = "a rollout takes no pod that must be available";
inline constexpr std::string_view kRecreate = "recreate starts no pod before the old ones have ended";
inline constexpr std::string_view kOrphansStay = "what was to be orphaned is not collected";
inline constexpr std::string_view kForeground = "a foreground deletion ends with the owner";
inline constexpr std::string_view kConverges = "everything converges once faults stop";
inline constexpr std::string_view kReplicasConverge = "replica sets converge to their count";
inline constexpr std::string_view kNoOrphans = "no orphan stays";
inline constexpr std::string_view kNoLeakOnNodes = "nodes run what is bound to them, and nothing else";
inline constexpr std::string_view kNamespacesVanish = "deleted namespaces vanish";
inline constexpr std::string_view kNoLeakAtStop = "nothing is left after a stop";
inline constexpr std::string_view kRepeatable = "one seed is one history";

inline constexpr std::array kPromises = {
    kNothingLost,        kBusInOrder, kHistoryReadable, kReadsAreCurrent,  kWatchComplete,
    kUpdateMeansVersion, kBoundOnce,  kNodesHold,       kReplicasExact,    kSurge,
    kAvailable,          kRecreate,   kOrphansStay,     kForeground,       kConverges,
    kReplicasConverge,   kNoOrphans,  kNoLeakOnNodes,   kNamespacesVanish, kNoLeakAtStop,
    kRepeatable};

}  // namespace minikube::simulation

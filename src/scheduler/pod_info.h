// From API objects to what scheduling computes with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <minikube/api/core/v1.h>
#include <minikube/codec.h>
#include <minikube/scheduler_framework.h>

namespace minikube::scheduler {

// A resource list (cpu, memory, ...) as numbers; "pods" is left out: it is counted, not added.
ResourceAmounts AmountsOf(const Map<Quantity>& resources);

// What a pod asks of its node: the sum of its containers and sidecars, or the largest init container with the sidecars
// started before it, whichever is more; pod-level resources override; overhead comes on top.
ResourceAmounts PodRequests(const core::v1::PodSpec& spec);

PodInfoRef MakePodInfo(ObjectRef pod);

// Building blocks of Plugin::Key. Every part ends where the next begins, so that keys of different parts differ.
inline void AppendPart(std::string_view part, std::string& key) {
  const std::uint64_t size = part.size();
  key.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
}
inline void AppendNumber(std::int64_t number, std::string& key) {
  key.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void AppendLabels(const Map<Str>& labels, std::string& key);
template <typename Message>
void AppendMessage(const Message& message, std::string& key) {
  std::string bytes;
  EncodeProtobufMessage(DescriptorOf<Message>(), &message, bytes);
  AppendPart(bytes, key);
}

}  // namespace minikube::scheduler

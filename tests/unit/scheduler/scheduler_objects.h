// Nodes and pods for scheduler tests.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <minikube/api/core/v1.h>
#include <minikube/scheduler_framework.h>

#include "scheduler/pod_info.h"

namespace minikube::test {

inline core::v1::Node MakeNode(std::string name, std::string cpu = "4", std::string memory = "8Gi", int pods = 110) {
  core::v1::Node node;
  node.metadata.name = name;
  node.metadata.labels["kubernetes.io/hostname"] = name;
  node.status.allocatable["cpu"] = Quantity(cpu);
  node.status.allocatable["memory"] = Quantity(memory);
  node.status.allocatable["pods"] = Quantity(std::to_string(pods));
  return node;
}

inline core::v1::Pod MakePod(std::string name, std::string cpu = "", std::string memory = "") {
  core::v1::Pod pod;
  pod.metadata.name = name;
  pod.metadata.namespace_ = "default";
  pod.metadata.uid = "uid-" + name;
  pod.spec.schedulerName = "default-scheduler";
  core::v1::Container container{.name = "c", .image = "i"};
  if (!cpu.empty()) container.resources.requests["cpu"] = Quantity(cpu);
  if (!memory.empty()) container.resources.requests["memory"] = Quantity(memory);
  pod.spec.containers.push_back(container);
  return pod;
}

inline scheduler::PodInfoRef Info(const core::v1::Pod& pod) { return scheduler::MakePodInfo(Share(pod)); }

}  // namespace minikube::test

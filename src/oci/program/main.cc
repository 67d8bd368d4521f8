// The tiny program that the library embeds: the monitor and the pause process, and nothing else.
#include <string.h>

#include "oci/monitor/monitor.h"

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "pause") == 0) return minikube::oci::PauseMain(argc, argv);
  return minikube::oci::MonitorMain(argc, argv);
}

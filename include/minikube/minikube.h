// Everything a host needs, in one include.
#pragma once

#include <minikube/admission.h>
#include <minikube/api/apps/v1.h>
#include <minikube/api/core/v1.h>
#include <minikube/audit.h>
#include <minikube/auth.h>
#include <minikube/cluster.h>
#include <minikube/codec.h>
#include <minikube/http_mount.h>
#include <minikube/informer.h>
#include <minikube/reconciler.h>
#include <minikube/wait.h>

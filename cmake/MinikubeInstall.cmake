# One installed library, minikube::minikube, of all the parts' objects.

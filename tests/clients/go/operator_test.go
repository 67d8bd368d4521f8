// An operator's tests, as people write them with controller-runtime's envtest, against this API server:
// KUBEBUILDER_ASSETS names a directory made by `minikube envtest-assets`.
package clients

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const (
	deadline  = 30 * time.Second
	finalizer = "example.com/cleanup"
)

var (
	config      *rest.Config
	environment *envtest.Environment
	widgetKind  = schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
)

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("KUBEBUILDER_ASSETS is not set")
		os.Exit(1)
	}
	environment = &envtest.Environment{
		CRDInstallOptions: envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{widgets()}},
	}
	environment.ControlPlane.GetAPIServer().Configure().Append("controllers", "true")
	begin := time.Now()
	var err error
	if config, err = environment.Start(); err != nil {
		fmt.Println("the environment does not start:", err)
		os.Exit(1)
	}
	fmt.Println("ready with its definitions after", time.Since(begin).Round(time.Millisecond))
	code := m.Run()
	if err := environment.Stop(); err != nil {
		fmt.Println("the environment does not stop:", err)
		code = 1
	}
	os.Exit(code)
}

func widgets() *apiextensionsv1.CustomResourceDefinition {
	one := float64(1)
	properties := func(p map[string]apiextensionsv1.JSONSchemaProps) apiextensionsv1.JSONSchemaProps {
		return apiextensionsv1.JSONSchemaProps{Type: "object", Properties: p}
	}
	return &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "widgets.example.com"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: widgetKind.Group,
			Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "widgets", Singular: "widget", Kind: "Widget",
				ListKind: "WidgetList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{
						"spec": properties(map[string]apiextensionsv1.JSONSchemaProps{
							"size": {Type: "integer", Minimum: &one, Default: &apiextensionsv1.JSON{Raw: []byte("1")}}}),
						"status": properties(map[string]apiextensionsv1.JSONSchemaProps{"ready": {Type: "boolean"}}),
					},
				}},
			}},
		},
	}
}

func newWidget(ns, name string) *unstructured.Unstructured {
	w := &unstructured.Unstructured{}
	w.SetGroupVersionKind(widgetKind)
	w.SetNamespace(ns)
	w.SetName(name)
	return w
}

// The operator: a ConfigMap for each Widget, its status, and a finalizer.
type reconciler struct {
	client.Client
	cleaned chan types.NamespacedName
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	w := newWidget("", "")
	if err := r.Get(ctx, request.NamespacedName, w); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !w.GetDeletionTimestamp().IsZero() {
		if controllerutil.RemoveFinalizer(w, finalizer) {
			r.cleaned <- request.NamespacedName
			return ctrl.Result{}, r.Update(ctx, w)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(w, finalizer) {
		return ctrl.Result{}, r.Update(ctx, w)
	}
	size, _, _ := unstructured.NestedInt64(w.Object, "spec", "size")
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.GetNamespace(), Name: w.GetName()}}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, m, func() error {
		m.Data = map[string]string{"size": fmt.Sprint(size)}
		return controllerutil.SetControllerReference(w, m, r.Scheme())
	}); err != nil {
		return ctrl.Result{}, err
	}
	if ready, _, _ := unstructured.NestedBool(w.Object, "status", "ready"); ready {
		return ctrl.Result{}, nil
	}
	if err := unstructured.SetNestedField(w.Object, true, "status", "ready"); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.Status().Update(ctx, w)
}

func until(t *testing.T, what string, holds func(ctx context.Context) (bool, error)) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, deadline, true, holds)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func namespace(t *testing.T, c client.Client, name string) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOperator(t *testing.T) {
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme: scheme.Scheme, Metrics: server.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionID: "widgets", LeaderElectionNamespace: "default",
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &reconciler{Client: manager.GetClient(), cleaned: make(chan types.NamespacedName, 1)}
	if err := ctrl.NewControllerManagedBy(manager).For(newWidget("", "")).Owns(&corev1.ConfigMap{}).Complete(r); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error("the manager ended:", err)
		}
	}()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, c, "operator")

	bad := newWidget(ns, "bad")
	_ = unstructured.SetNestedField(bad.Object, int64(0), "spec", "size")
	if err := c.Create(ctx, bad); !apierrors.IsInvalid(err) {
		t.Fatalf("a widget of no size: %v", err)
	}
	w := newWidget(ns, "a")
	_ = unstructured.SetNestedMap(w.Object, map[string]any{}, "spec")
	if err := c.Create(ctx, w); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKeyFromObject(w)
	until(t, "the widget becomes ready", func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, key, w); err != nil {
			return false, err
		}
		ready, _, err := unstructured.NestedBool(w.Object, "status", "ready")
		return ready, err
	})
	m := &corev1.ConfigMap{}
	if err := c.Get(ctx, key, m); err != nil || m.Data["size"] != "1" {
		t.Fatalf("its configuration: %v %v", m.Data, err)
	}
	if err := c.Delete(ctx, w); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.cleaned:
	case <-time.After(deadline):
		t.Fatal("the finalizer was not seen")
	}
	// The garbage collector runs here, which it does not beside a bare kube-apiserver.
	until(t, "what it owned goes", func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, key, m)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func TestClientGo(t *testing.T) {
	clientset := kubernetes.NewForConfigOrDie(config)
	ns := clientset.CoreV1().ConfigMaps("default")

	factory := informers.NewSharedInformerFactoryWithOptions(clientset, 0, informers.WithNamespace("default"))
	seen := make(chan string, 100)
	informer := factory.Core().V1().ConfigMaps().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { seen <- "add " + o.(*corev1.ConfigMap).Name },
		UpdateFunc: func(_, o any) { seen <- "update " + o.(*corev1.ConfigMap).Name },
		DeleteFunc: func(o any) { seen <- "delete " + o.(*corev1.ConfigMap).Name },
	}); err != nil {
		t.Fatal(err)
	}
	factory.Start(t.Context().Done())
	factory.WaitForCacheSync(t.Context().Done())
	next := func(want string) {
		t.Helper()
		timeout := time.After(deadline)
		for {
			select {
			case got := <-seen:
				if got == want {
					return
				}
			case <-timeout:
				t.Fatalf("%q was not seen", want)
			}
		}
	}
	apply := func(manager, key string) error {
		_, err := ns.Apply(t.Context(), corev1apply.ConfigMap("applied", "default").WithData(map[string]string{key: manager}),
			metav1.ApplyOptions{FieldManager: manager})
		return err
	}
	if err := apply("one", "a"); err != nil {
		t.Fatal(err)
	}
	next("add applied")
	if err := apply("two", "b"); err != nil {
		t.Fatal(err)
	}
	next("update applied")
	if err := apply("two", "a"); !apierrors.IsConflict(err) {
		t.Fatalf("what another manager has set: %v", err)
	}
	if err := ns.Delete(t.Context(), "applied", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	next("delete applied")
}

func TestMapperKnowsCustomKinds(t *testing.T) {
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := c.RESTMapper().RESTMapping(widgetKind.GroupKind(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if mapping.Resource.Resource != "widgets" || mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		t.Fatalf("%+v", mapping)
	}
}

func TestUsersHaveTheirRights(t *testing.T) {
	user, err := environment.AddUser(envtest.User{Name: "reader", Groups: []string{"readers"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader := kubernetes.NewForConfigOrDie(user.Config())
	if _, err := reader.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("without a role: %v", err)
	}
	admin := kubernetes.NewForConfigOrDie(config)
	if _, err := admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "readers"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "readers"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the role counts", func(ctx context.Context) (bool, error) {
		_, err := reader.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
		if apierrors.IsForbidden(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err := reader.CoreV1().ConfigMaps("default").Delete(t.Context(), "x", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("a reader deletes: %v", err)
	}
}

// Linked with one whole part and only its declared dependencies: an undeclared call fails to link.
int main() {}

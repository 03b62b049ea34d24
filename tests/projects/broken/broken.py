import no_such_module_here

graph = no_such_module_here.graph

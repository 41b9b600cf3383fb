Creator "by hand"
graph [
  directed 0
  # a node with a nested list
  node [ id 0 label "a &amp; b" graphics [ x 1.5 y 2 ] ]
  node [ id 1 label "c" ]
  node [ id 2 ]
  edge [ source 0 target 1 delay 2.5 ]
  edge [ source 1 target 2 delay 3 ]
  edge [ source 0 target 2 delay 10 ]
]

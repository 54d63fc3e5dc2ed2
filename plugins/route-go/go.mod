module route-go

go 1.27

require plugbus v0.1.0

replace plugbus => ../../plugin-sdk/go
